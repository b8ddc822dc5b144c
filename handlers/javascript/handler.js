// A Node handler: takes one connection, answers one HTTP request, exits.
// Node cannot receive a descriptor by itself, so faas-receive does, and passes it on as number 3.
'use strict';

const http = require('node:http');
const net = require('node:net');
const os = require('node:os');

// Your own code goes here; it is any request listener, an Express app for example.
function handle(request, response) {
  let length = 0;
  request.on('data', (part) => {
    length += part.length;
  });
  request.on('end', () => {
    response.setHeader('Content-Type', 'text/plain; charset=utf-8');
    response.end(
      `Hello from Node on ${os.hostname()}.\n` +
        `${request.method} ${request.url}\nbody: ${length} bytes\n`,
    );
  });
}

// The server listens nowhere: its one connection is given to it.
const server = http.createServer((request, response) => {
  response.setHeader('Connection', 'close'); // one request, then the container is gone
  handle(request, response);
});
const connection = new net.Socket({ fd: 3, readable: true, writable: true, allowHalfOpen: true });
connection.on('close', () => process.exit(0));
server.emit('connection', connection);
