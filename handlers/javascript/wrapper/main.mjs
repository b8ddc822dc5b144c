// Runs JavaScript as a handler of faasd: takes one connection, answers one HTTP request, exits.
//
// What it runs is found before it says that it is ready, and `faas-receive --node` asks for a
// connection only then, so that a container that was started ahead has all of it behind it:
//
// - /app/handler.mjs, .js or .cjs with a default export (event, context): events.mjs;
// - the same with a request listener called `listener` or `app`, as http.createServer takes it;
// - none of them: a script, which comes with the request: script.mjs.
//
// The argument, if there is one, is the module of a language that is compiled to JavaScript.
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { pathToFileURL } from 'node:url';

import { bodyOf, replyJsonText } from './body.mjs';

const APP = '/app';
const NAMES = ['handler.mjs', 'handler.js', 'handler.cjs'];

// Without it, an image whose handler is called otherwise would run the code of whoever calls it.
function refuseOthers() {
  const other = fs.existsSync(APP) && fs.readdirSync(APP).find((each) => /^handler\./.test(each));
  if (!other) return;
  console.error(
    `${APP}/${other} is none of ${NAMES.join(', ')}; TypeScript is compiled when the image is ` +
      'built: RUN faas-build',
  );
  process.exit(1);
}

// A function of a request, its response and its socket.
async function findWhatToRun() {
  const name = NAMES.find((each) => fs.existsSync(`${APP}/${each}`));
  const language = process.argv[2] ? await import(process.argv[2]) : undefined;
  if (name === undefined) {
    refuseOthers();
    return (await import('./script.mjs')).answersOf(language);
  }
  // Node then shows the lines of the source wherever a file names its map. It looks for that in
  // every file, so JavaScript is spared it.
  if (language) process.setSourceMapsEnabled(true);
  const module = await import(pathToFileURL(`${APP}/${name}`).href);
  const exported = { ...(module.default ?? {}), ...module };
  const listener = exported.listener ?? exported.app;
  if (typeof listener === 'function') return listener;
  const handler = typeof module.default === 'function' ? module.default : exported.handler;
  if (typeof handler === 'function') return (await import('./events.mjs')).answersOf(handler);
  console.error(
    `${APP}/${name} has neither a default export (event, context) nor a request listener called ` +
      'listener or app',
  );
  process.exit(1);
}

function serve(answer, handle) {
  // It listens nowhere: its one connection is given to it.
  const server = http.createServer((request, response) => {
    response.setHeader('Connection', 'close'); // one request, then the container is gone
    answer(request, response, socket);
  });
  const socket = new net.Socket({ handle, readable: true, writable: true, allowHalfOpen: true });
  socket.on('close', () => process.exit());
  server.emit('connection', socket);
}

// A request of our own, through all that a client's will go through but what it is for: Node loads and
// compiles what is used when it is first used, which takes longer than the rest of a small reply.
function rehearse() {
  const text = JSON.stringify({ code: '' });
  return new Promise((done) => {
    const socket = new Duplex({
      read() {},
      write: (_chunk, _encoding, next) => next(),
      final: (next) => done(next()),
    });
    const server = http.createServer(async (request, response) => {
      response.setHeader('Connection', 'close');
      replyJsonText(response, 200, JSON.stringify(JSON.parse(await bodyOf(request))));
    });
    server.emit('connection', socket);
    socket.push(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
  });
}

// What is written is there when the process ends, however it ends: for a pipe Node would queue it.
for (const stream of [process.stdout, process.stderr]) stream._handle?.setBlocking?.(true);

const answer = await findWhatToRun();
await rehearse();
process.once('message', (_, handle) => {
  process.disconnect(); // nothing more comes, and it would keep a finished script alive
  if (handle) serve(answer, handle);
});
process.send('ready');
