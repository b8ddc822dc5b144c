// A handler of each kind: which one, MODE says.
import leftPad from 'left-pad'; // a package that package.json names

import { text } from './second.mjs';

function answer(event, context) {
  if (event === 'fail') throw new RangeError('no such luck');
  if (event === 'teapot') {
    context.status = 418;
    context.replyHeaders['X-Kind'] = 'tea';
    return null;
  }
  return {
    event: JSON.stringify(event),
    method: context.method,
    path: context.path,
    query: context.query,
    agent: context.headers['user-agent'],
    client: context.client,
    package: leftPad('7', 3, '0'),
    file: text(),
  };
}

const values = {
  text: 'Grüße',
  bytes: Buffer.from([0, 1]),
  number: 7,
  none: null,
  list: [1, 'a'],
  big: 1n,
};

const handlers = {
  event: answer,
  async: async (event, context) => {
    await new Promise(setImmediate);
    return answer(event, context);
  },
  value: (event) => values[event],
};

export default handlers[process.env.MODE];

export const listener =
  process.env.MODE === 'listener'
    ? (request, response) => {
        response.writeHead(201, { 'Content-Type': 'text/plain', 'X-Kind': 'listener' });
        response.write(`${request.method} ${request.url} ${request.headers['x-word']} `);
        request.pipe(response);
      }
    : undefined;
