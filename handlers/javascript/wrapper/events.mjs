// `export default async (event, context)`: a request as a value, and a value as its reply.
//
// event: the body, as JSON if its Content-Type says so, else as text, as a Buffer if it is no UTF-8;
// without a body, the parameters of the query. What is returned is the body of the reply: a string
// as text, a Buffer as it is, anything else as JSON.
import { isUtf8 } from 'node:buffer';
import { format } from 'node:util';

import { BadRequest, bodyOf, replyError } from './body.mjs';

const BASE = 'http://handler'; // a URL has to have one
const OURS = new URL('.', import.meta.url).pathname;
const NOT_USERS = new RegExp(`\\n +at [^\\n]*(?:${OURS}|node:internal/)[^\\n]*:\\d+:\\d+\\)?`, 'g');
const UNFIT = 'the returned value cannot be sent as JSON';

function contextOf(request, body) {
  const url = new URL(request.url, BASE);
  return {
    method: request.method,
    target: request.url, // path and query, as they were sent
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: request.headers, // names in lower case
    body,
    client: request.socket.remoteAddress,
    status: 200,
    replyHeaders: {},
  };
}

function eventOf(context) {
  if (context.body.length === 0) return context.query;
  const type = (context.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase();
  if (type === 'application/json' || type.endsWith('+json')) {
    try {
      return JSON.parse(context.body.toString());
    } catch (error) {
      throw new BadRequest(400, 'bad_json', `the body is no JSON: ${error.message}`);
    }
  }
  return isUtf8(context.body) ? context.body.toString() : context.body;
}

function jsonOf(result) {
  try {
    return JSON.stringify(result);
  } catch (error) {
    throw new TypeError(`${UNFIT}: ${error.message}`, { cause: error });
  }
}

function bodyAndType(result) {
  if (result === undefined || result === null) return [Buffer.alloc(0), 'text/plain; charset=utf-8'];
  if (typeof result === 'string') return [Buffer.from(result), 'text/plain; charset=utf-8'];
  if (result instanceof Uint8Array) return [Buffer.from(result), 'application/octet-stream'];
  return [Buffer.from(`${jsonOf(result)}\n`), 'application/json'];
}

// How it was called is our business.
const log = (error) => console.error(format(error).replace(NOT_USERS, ''));

async function reply(handler, request, response) {
  const context = contextOf(request, await bodyOf(request));
  const event = eventOf(context);
  let body, type;
  try {
    [body, type] = bodyAndType(await handler(event, context));
  } catch (error) {
    log(error);
    // The text of an error may have secrets in it: it goes to the log, not to a client.
    replyError(response, 500, 'the handler failed; its log says why', 'handler_failed');
    return;
  }
  response.writeHead(context.status, {
    'Content-Type': type,
    'Content-Length': body.length,
    ...context.replyHeaders,
  });
  response.end(body);
}

export function answersOf(handler) {
  return (request, response) => {
    reply(handler, request, response).catch((error) => {
      if (error instanceof BadRequest) {
        replyError(response, error.status, error.message, error.code);
      } else {
        console.error(error);
        response.destroy();
      }
    });
  };
}
