// A script that comes with its request, `POST /` with {code, input, name}. The reply is {data, type}
// of what it returned, {} if it returned nothing, or 500 with {error, code, line, column}; what it
// prints goes to standard output, and is no part of the reply.
//
// In a script `event` and `input` are the input, and `return` and `await` may stand outside of any
// function. Lines and columns are the user's.
import fs from 'node:fs';
import Module from 'node:module';

import { BadRequest, bodyOf, replyError, replyJson } from './body.mjs';

const AsyncFunction = (async () => {}).constructor;
const OURS = new URL('.', import.meta.url).pathname;
// Before the first line, and on it.
const HEAD = 'return (async () => {';

const pathOf = (name) => `/app/${name}`;

// As a function. It is a CommonJS module in /app, so that `require` and `import()` find what
// is there.
function compile(code, name) {
  const module = new Module(pathOf(name));
  module.paths = Module._nodeModulePaths('/app');
  const compiled = module._compile(`${HEAD}${code}\n})`, pathOf(name));
  new AsyncFunction(code); // which is a function's body, and not the end of one and more
  return compiled;
}

function typeOf(value) {
  if (typeof value === 'string') return 'string';
  return typeof value === 'number' && Number.isFinite(value) ? 'number' : 'json';
}

function failure(error, name) {
  if (!(error instanceof Error)) {
    return { error: `thrown: ${String(error)}`, code: 'script_failed' };
  }
  const stack = String(error.stack ?? error)
    .replace(HEAD, '')
    .replaceAll(pathOf(name), name)
    .split('\n')
    .filter((line) => !line.includes(OURS) && !line.includes('(node:') && !line.includes(' node:'));
  const place = stack.map((line) => line.lastIndexOf(`${name}:`)).findIndex((at) => at >= 0);
  const numbers = place < 0 ? null : /:(\d+)(?::(\d+))?\)?$/.exec(stack[place]);
  const line = Number(numbers?.[1]);
  const column = Number(numbers?.[2]) - (line === 1 ? HEAD.length : 0);
  return {
    error: `${error.name}: ${error.message}`,
    code: 'script_failed',
    traceback: stack.join('\n'),
    ...(line > 0 ? { line } : {}),
    ...(column > 0 ? { column } : {}),
  };
}

// The reply as bytes, for when the process ends before Node could send one.
function replyAtExit(socket, status, value) {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  const head =
    `HTTP/1.1 ${status} ${status === 200 ? 'OK' : 'Internal Server Error'}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  try {
    fs.writeSync(socket._handle.fd, Buffer.concat([Buffer.from(head), body]));
  } catch {
    // Nobody waits for it any more.
  }
}

async function givenBy(request) {
  const body = (await bodyOf(request)).toString();
  try {
    const given = JSON.parse(body);
    if (typeof given.code === 'string' && typeof (given.name ?? '') === 'string') return given;
  } catch {
    // It is no JSON, or null.
  }
  throw new BadRequest(400, 'bad_script', 'send {"code": "return event", "input": …}');
}

export async function answer(request, response, socket) {
  let given;
  try {
    given = await givenBy(request);
  } catch (error) {
    replyError(response, error.status ?? 400, error.message, error.code ?? 'bad_request');
    return;
  }
  await run(given, response, socket);
}

async function run({ code, input, name = 'script.js' }, response, socket) {
  let replied = false;
  const reply = (status, value) => {
    if (replied) return;
    replied = true;
    socket.ref();
    replyJson(response, status, value);
  };
  const fail = (error) => reply(500, failure(error, name));
  process.on('uncaughtException', fail);
  process.on('exit', (status) => {
    if (replied) return;
    replied = true;
    const failed = { error: `the script exited with ${status}`, code: 'script_failed' };
    replyAtExit(socket, status === 0 ? 200 : 500, status === 0 ? {} : failed);
  });
  // Without a result its reply is that it has ended: when nothing is left for it to wait for.
  socket.unref();
  process.on('beforeExit', () => reply(200, {}));
  globalThis.event = globalThis.input = input; // so that a script may have variables called so
  try {
    const result = await compile(code, name)();
    if (result === undefined) return;
    const data = JSON.stringify(result);
    if (data === undefined) throw new TypeError(`JSON cannot express a ${typeof result}`);
    reply(200, { data: JSON.parse(data), type: typeOf(result) });
  } catch (error) {
    fail(error);
  }
}
