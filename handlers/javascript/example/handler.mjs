// What is done here, before there is a request, costs no request anything.
import os from 'node:os';

export default async (event, context) =>
  `Hello from Node on ${os.hostname()}.\n` +
  `${context.method} ${context.target}\nbody: ${context.body.length} bytes\n`;
