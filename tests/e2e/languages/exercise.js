// What programs on Node usually ask of the kernel. One line a check on stdout: its name, `ok` or
// what it threw.
'use strict';

const assert = require('node:assert');
const { execFileSync, spawn } = require('node:child_process');
const crypto = require('node:crypto');
const dns = require('node:dns').promises;
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const zlib = require('node:zlib');
const { promisify } = require('node:util');
const { Worker } = require('node:worker_threads');

const BIG = 64 << 20;

const checks = {
  async threads() {
    const worker = new Worker("require('worker_threads').parentPort.postMessage(42)", {
      eval: true,
    });
    assert.deepStrictEqual(await once(worker, 'message'), [42]);
    await promisify(crypto.scrypt)('a', 'b', 32);
  },
  async processes() {
    assert.strictEqual(execFileSync('/bin/sh', ['-c', 'echo out']).toString(), 'out\n');
    const child = spawn('/bin/cat', { stdio: ['pipe', 'pipe', 'inherit'] });
    child.kill('SIGTERM');
    assert.strictEqual((await once(child, 'exit'))[1], 'SIGTERM');
  },
  async sockets() {
    for (const place of [path.join(fs.mkdtempSync('/tmp/s'), 's'), 0]) {
      const server = net.createServer((peer) => peer.pipe(peer));
      server.listen(place, place === 0 ? '127.0.0.1' : undefined);
      await once(server, 'listening');
      const { port } = server.address();
      const client = net.connect(port ? { port, host: '127.0.0.1' } : place);
      client.setNoDelay(true).setKeepAlive(true).end('echo');
      assert.strictEqual((await once(client, 'data')).toString(), 'echo');
      server.close();
    }
    assert.ok(os.networkInterfaces().lo);
  },
  async http() {
    const server = http.createServer((request, response) => response.end('served'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    const request = http.get({ port, host: '127.0.0.1', agent: false });
    const [response] = await once(request, 'response');
    assert.strictEqual(response.statusCode, 200);
    response.resume();
    server.close();
  },
  async timers() {
    await promisify(setTimeout)(5);
    await promisify(setImmediate)();
  },
  async no_name_service() {
    await assert.rejects(dns.lookup('nobody.invalid'));
    await assert.rejects(dns.resolve4('nobody.invalid'));
  },
  async files() {
    const directory = await fs.promises.mkdtemp('/tmp/f');
    const name = path.join(directory, 'a');
    await fs.promises.writeFile(name, 'x'.repeat(100000));
    await fs.promises.copyFile(name, `${name}.copy`);
    await fs.promises.rename(name, `${name}.moved`);
    await fs.promises.symlink('a', `${name}.link`);
    assert.strictEqual((await fs.promises.readdir(directory)).length, 3);
    assert.strictEqual(zlib.gunzipSync(zlib.gzipSync(fs.readFileSync(`${name}.copy`))).length, 100000);
    await fs.promises.rm(directory, { recursive: true });
  },
  async memory() {
    Buffer.alloc(BIG, 1);
    global.gc();
    assert.ok(process.memoryUsage().rss > 0);
  },
  async web_assembly() {
    const empty = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
    await WebAssembly.instantiate(empty);
  },
  async watching_is_refused() {
    assert.throws(() => fs.watch('/tmp'), { code: 'ENOSYS' });
  },
};

async function main() {
  const lines = ['HTTP/1.0 200 OK\r\n\r\n'];
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      lines.push(`${name} ok\n`);
    } catch (error) {
      lines.push(`${name} ${error}\n`);
    }
  }
  fs.writeSync(1, lines.join(''));
  process.exit(0);
}

main();
