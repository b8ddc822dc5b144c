// Runs JavaScript as a handler of faasd: takes one connection, answers one HTTP request, exits.
//
// What it runs is found before it says that it is ready, and `faas-receive --node` asks for a
// connection only then, so that a container that was started ahead has all of it behind it:
//
// - /app/handler.mjs, .js or .cjs with a default export (event, context): events.mjs;
// - the same with a request listener called `listener` or `app`, as http.createServer takes it;
// - none of them: a script, which comes with the request: script.mjs.
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { pathToFileURL } from 'node:url';

const APP = '/app';
const NAMES = ['handler.mjs', 'handler.js', 'handler.cjs'];

// A function of a request, its response and its socket.
async function findWhatToRun() {
  const name = NAMES.find((each) => fs.existsSync(`${APP}/${each}`));
  if (name === undefined) return (await import('./script.mjs')).answer;
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

const answer = await findWhatToRun();
process.once('message', (_, handle) => {
  process.disconnect(); // nothing more comes, and it would keep a finished script alive
  if (handle) serve(answer, handle);
});
process.send('ready');
