// A script that comes with its request, `POST /` with {code, input, name}. The reply is {data, type}
// of what it returned, {} if it returned nothing, or 500 with {error, code, line, column}; what it
// prints goes to standard output, and is no part of the reply.
//
// In a script `event` and `input` are the input, and `return` and `await` may stand outside of any
// function. Lines and columns are the user's.
//
// Of a language that has to be compiled, `POST /compile` with {code, name} is answered {compiled};
// `POST /` takes that beside the code or in its place, and compiles the code itself without it.
import fs from 'node:fs';
import Module from 'node:module';
import { inspect } from 'node:util';

import { BadRequest, bodyOf, replyError, replyJsonText } from './body.mjs';

const AsyncFunction = (async () => {}).constructor;
const OURS = new URL('.', import.meta.url).pathname;
// Before the first line, and on it.
const HEAD = 'return [async () => {';
const TAIL = '\n}][0]';
const UNFIT = 'the returned value cannot be sent as JSON: ';
const { stringify } = JSON; // the script may put something else in its place

export const pathOf = (name) => `/app/${name}`;

// What is thrown in place of what a script has thrown: the reply is known.
class Failed {
  constructor(reply) {
    this.reply = reply;
  }
}

// What a CommonJS module in /app exports or returns, so that `require` and `import()` in it find
// what is there.
export function load(text, name) {
  const module = new Module(pathOf(name));
  module.paths = Module._nodeModulePaths('/app');
  const returned = module._compile(text, pathOf(name));
  return returned ?? module.exports;
}

function summaryOf(error) {
  try {
    return String(error);
  } catch {
    return 'Error'; // whose toString() fails
  }
}

// Every trace in the process, printed ones too, has the user's frames alone, and their lines:
// `places` makes {line, column} of the line and the column in what was loaded as `path`.
export function showUsersTraces(path, places) {
  const shown = (frame) => {
    const text = String(frame);
    const start = text.lastIndexOf(`${path}:`);
    const numbers = start < 0 ? null : /^(\d+):(\d+)/.exec(text.slice(start + path.length + 1));
    if (!numbers) return text;
    const { line, column } = places(Number(numbers[1]), Number(numbers[2]));
    const end = start + path.length + 1 + numbers[0].length;
    return `${text.slice(0, start)}${path}:${line}:${column}${text.slice(end)}`;
  };
  const isUsers = (file) => !file.includes(OURS) && !file.startsWith('node:internal/');
  Error.prepareStackTrace = (error, frames) => {
    const users = frames.filter((frame) => isUsers(frame.getFileName() ?? ''));
    return [summaryOf(error), ...users.map((frame) => `    at ${shown(frame)}`)].join('\n');
  };
}

// A language is: the name of a script that has none; its code as a function, or a promise of one;
// and, if it is compiled, compile(code, name), which says {compiled} or {error, code, line,
// column}.
const javascript = {
  file: 'script.js',
  async functionOf(code, name) {
    try {
      new AsyncFunction(code); // which is a function's body, and not the end of one and more
    } catch {
      const { problemOf } = await import('./syntax.mjs');
      throw new Failed({ ...problemOf(code, name), code: 'script_failed' });
    }
    showUsersTraces(pathOf(name), (line, column) => ({
      line,
      column: line === 1 ? Math.max(column - HEAD.length, 1) : column,
    }));
    return load(`${HEAD}${code}${TAIL}`, name);
  },
};

function typeOf(value) {
  if (typeof value === 'string') return 'string';
  return typeof value === 'number' && Number.isFinite(value) ? 'number' : 'json';
}

function placeOf(error, name) {
  const stack = String(error.stack ?? error)
    .replaceAll(pathOf(name), name)
    .split('\n')
    .filter((line) => !line.includes(OURS) && !line.includes('(node:') && !line.includes(' node:'));
  const place = stack.map((line) => line.lastIndexOf(`${name}:`)).findIndex((at) => at >= 0);
  const numbers = place < 0 ? null : /:(\d+)(?::(\d+))?\)?$/.exec(stack[place]);
  const line = Number(numbers?.[1]);
  const column = Number(numbers?.[2]);
  return {
    traceback: stack.join('\n'),
    ...(line > 0 ? { line } : {}),
    ...(column > 0 ? { column } : {}),
  };
}

function failure(error, name, what = '') {
  if (error instanceof Failed) return error.reply;
  const code = 'script_failed';
  try {
    if (error instanceof Error) {
      const summary = `${error.name}: ${what}${error.message}`;
      const { traceback, ...place } = placeOf(error, name);
      // Without a line it is of what the script did not call.
      return { error: summary, code, traceback: place.line ? traceback : summary, ...place };
    }
    const thrown = typeof error === 'string' ? error : inspect(error, { breakLength: Infinity });
    return { error: `${what}thrown: ${thrown}`, code };
  } catch {
    return { error: `${what}thrown: what cannot be shown`, code };
  }
}

// Without a prototype, whose toJSON() the script may have made.
const jsonOf = (reply) => stringify({ __proto__: null, ...reply });

// The reply as bytes, for when the process ends before Node could send one.
function replyAtExit(socket, status, text) {
  const head =
    `HTTP/1.1 ${status} ${status === 200 ? 'OK' : 'Internal Server Error'}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n` +
    'Connection: close\r\n\r\n';
  try {
    fs.writeSync(socket._handle.fd, head + text);
  } catch {
    // Nobody waits for it any more.
  }
}

function givenBy(body, mayBeCompiled) {
  try {
    const given = JSON.parse(body.toString());
    const { code, compiled = null, name = null } = given;
    const isText = (each) => typeof each === 'string';
    const mayLackCode = mayBeCompiled && compiled;
    if (isText(mayLackCode ? code ?? '' : code) && isText(compiled ?? '') && isText(name ?? '')) return given;
  } catch {
    // It is no JSON, or null.
  }
  throw new BadRequest(400, 'bad_script', 'send {"code": "return event", "input": …}');
}

// The reply's JSON; nothing if the script has returned nothing.
async function resultOf(language, text, name) {
  const script = await language.functionOf(text, name);
  const result = await script();
  if (result === undefined) return undefined;
  let data;
  try {
    data = stringify(result);
    if (data === undefined) throw new TypeError(`JSON cannot express a ${typeof result}`);
  } catch (error) {
    throw new Failed(failure(error, name, UNFIT));
  }
  return `{"data":${data},"type":"${typeOf(result)}"}`;
}

function run(language, text, name, input, response, socket) {
  let replied = false;
  const once = (send) => (status, json) => {
    if (replied) return;
    replied = true;
    send(status, json);
  };
  const reply = once((status, json) => {
    socket.ref();
    replyJsonText(response, status, json);
  });
  const replyNow = once((status, json) => replyAtExit(socket, status, json));
  const fail = (error) => reply(500, jsonOf(failure(error, name)));
  process.on('uncaughtException', fail);
  process.on('exit', (status) => {
    const failed = { error: `the script exited with ${status}`, code: 'script_failed' };
    if (status === 0) replyNow(200, '{}');
    else replyNow(500, jsonOf(failed));
  });
  // Without a result its reply is that it has ended: when nothing is left for it to wait for.
  socket.unref();
  process.on('beforeExit', () => reply(200, '{}'));
  globalThis.event = globalThis.input = input; // so that a script may have variables called so
  resultOf(language, text, name).then((json) => json !== undefined && reply(200, json), fail);
}

// A byte order mark is no part of it, and a first line for a shell a comment, as long as it was.
const sourceOf = (code) => code?.replace(/^\ufeff/, '').replace(/^#!/, '//');

async function answer(language, request, response, socket) {
  const body = await bodyOf(request);
  const compileOnly = request.url === '/compile';
  if (compileOnly && !language.compile) {
    throw new BadRequest(404, 'not_found', 'scripts in this language are not compiled');
  }
  const given = givenBy(body, language.compile && !compileOnly);
  const name = given.name || language.file;
  const kept = language.compile && !compileOnly && given.compiled;
  let text = kept || sourceOf(given.code);
  if (language.compile && !kept) {
    const done = await language.compile(text, name);
    if (compileOnly || done.error) {
      replyJsonText(response, done.error ? 500 : 200, JSON.stringify(done));
      return;
    }
    text = done.compiled;
  }
  run(language, text, name, given.input, response, socket);
}

export const answersOf =
  (language = javascript) =>
  async (request, response, socket) => {
    try {
      await answer(language, request, response, socket);
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error; // the client has left
      replyError(response, error.status, error.message, error.code);
    }
  };
