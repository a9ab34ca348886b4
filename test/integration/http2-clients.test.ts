// Other people's HTTP/2 clients and servers: curl, nghttp, h2load and node:http2 in front, nghttpd behind.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:http2';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { locatePeer } from '../../scripts/peers.ts';
import { ca, server as serverCertificate } from '../differential/cases/tls-fixtures.ts';
import { freePort } from '../support/free-ports.ts';
import { type RunningHop, startHop } from '../support/http2-hops.ts';
import { type Ended, runProgram, startServer } from '../support/run-program.ts';
import { scratchFolder, stat } from './heddle.ts';

const BODY_BYTES = 300_000;
const CANCEL = 8;
const BODY = 'b'.repeat(BODY_BYTES);

const folder = scratchFolder();
const file = (name: string): string => join(folder, name);

function findProgram(name: string): string | null {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin'];
  return folders.map((one) => join(one, name)).find(existsSync) ?? null;
}

/** Why tests with this peer are left out, or false. */
function without(name: string): string | false {
  const state = locatePeer(name);
  return 'missing' in state ? state.missing : false;
}
const peer = (name: string): string => (locatePeer(name) as { path: string }).path;

const curl = findProgram('curl');

describe('HTTP/2 clients', () => {
  let upstream: Server;
  let plain: RunningHop;
  let secure: RunningHop;

  before(async () => {
    writeFileSync(file('ca.pem'), ca.pem);
    writeFileSync(file('body'), BODY);
    upstream = createServer({ maxHeaderSize: 65_536 }, (request, response) => {
      let received = 0;
      request.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      request.on('end', () => {
        response.setHeader('x-received', received);
        response.end(request.url === '/large' ? BODY : `hello ${request.method}`);
      });
    });
    upstream.keepAliveTimeout = 60_000;
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const { port } = upstream.address() as { port: number };
    plain = await startHop({ upstream: 'http1' }, port, folder);
    secure = await startHop({ upstream: 'http1', certificate: serverCertificate }, port, scratchFolder());
  });
  after(async () => {
    upstream.close();
    upstream.closeAllConnections();
    await plain?.stop();
    await secure?.stop();
  });

  describe('curl', { skip: curl === null ? 'there is no curl' : false }, () => {
    const call = (...args: string[]): Promise<Ended> =>
      runProgram(curl as string, ['-sS', '--max-time', '10', '-w', '\n%{http_version} %{response_code}', ...args]);
    const tls = (): string[] => [...['--cacert', file('ca.pem'), '--resolve', `test.example:${secure.port}:127.0.0.1`]];

    it('with prior knowledge', async () => {
      const { output } = await call('--http2-prior-knowledge', `http://127.0.0.1:${plain.port}/`);
      assert.equal(output, 'hello GET\n2 200');
    });

    it('with an upgrade that is declined', async () => {
      const { output } = await call('--http2', `http://127.0.0.1:${plain.port}/`);
      assert.equal(output, 'hello GET\n1.1 200');
    });

    it('by ALPN, with an upload and a download', async () => {
      const url = `https://test.example:${secure.port}`;
      const up = await call('--http2', ...tls(), '--data-binary', `@${file('body')}`, '-D', '-', `${url}/`);
      assert.match(up.output, new RegExp(`^x-received: ${BODY_BYTES}`, 'm'));
      assert.match(up.output, /\n2 200$/);
      const down = await call('--http2', ...tls(), `${url}/large`);
      assert.equal(down.output, `${BODY}\n2 200`);
    });

    it('HTTP/1.1 by ALPN on the same port', async () => {
      const { output } = await call('--http1.1', ...tls(), `https://test.example:${secure.port}/`);
      assert.equal(output, 'hello GET\n1.1 200');
    });
  });

  describe('nghttp', { skip: without('nghttp') }, () => {
    it('many requests on one connection, with padding and small windows', async () => {
      const flags = ['--no-verify-peer', '-n', '-s', '-m', '50', '--padding=64', '-w', '14', '-W', '15'];
      const { code, output } = await runProgram(peer('nghttp'), [...flags, `http://127.0.0.1:${plain.port}/large`]);
      assert.equal(code, 0, output);
      assert.equal(output.match(/ 200 +29[23]K \/large/g)?.length, 50, output);
    });

    it('trailers, an upload, and CONTINUATION', async () => {
      const flags = ['-v', '--no-verify-peer', '--continuation', '--trailer', 'x-end: yes', '-d', file('body')];
      const { output } = await runProgram(peer('nghttp'), [...flags, `https://127.0.0.1:${secure.port}/`]);
      assert.match(output, new RegExp(`x-received: ${BODY_BYTES}`));
      assert.match(output, /hello POST/);
    });
  });

  it('h2load: thousands of requests without a failure', { skip: without('h2load') }, async () => {
    for (const [scheme, port] of [
      ['http', plain.port],
      ['https', secure.port],
    ]) {
      const flags = ['-n', '5000', '-c', '8', '-m', '32', '-t', '1', `${scheme}://127.0.0.1:${port}/`];
      const { output } = await runProgram(peer('h2load'), flags);
      assert.match(output, /5000 total, 5000 started, 5000 done, 5000 succeeded, 0 failed, 0 errored, 0 timeout/);
    }
    assert.equal(await stat(plain.proxy, 'http2.rx_messaging_error'), 0);
  });

  it('node:http2: streams side by side, some given up', async () => {
    const session = connect(`http://127.0.0.1:${plain.port}`);
    const ask = (path: string): Promise<number> =>
      new Promise((resolve, reject) => {
        let bytes = 0;
        const stream = session.request({ ':path': path });
        stream.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
        });
        stream.on('end', () => resolve(bytes));
        stream.on('error', reject);
      });
    const lengths = await Promise.all(
      Array.from({ length: 90 }, (_, i) => {
        if (i % 3 === 2) {
          const given = session.request({ ':path': '/large' });
          given.on('response', () => given.close(CANCEL));
        }
        return ask(i % 2 === 0 ? '/large' : '/');
      }),
    );
    session.destroy();
    lengths.forEach((length, i) => {
      assert.equal(length, i % 2 === 0 ? BODY_BYTES : 'hello GET'.length);
    });
  });

  it('nghttpd as an upstream', { skip: without('nghttpd') }, async () => {
    mkdirSync(file('www'));
    writeFileSync(join(file('www'), 'large'), BODY);
    const port = await freePort();
    const behind = await startServer(
      peer('nghttpd'),
      ['--no-tls', '-a', '127.0.0.1', '-d', file('www'), String(port)],
      port,
    );
    const hop = await startHop({ upstream: 'http2' }, port, scratchFolder());
    try {
      const session = connect(`http://127.0.0.1:${hop.port}`);
      const lengths = await Promise.all(
        Array.from(
          { length: 40 },
          () =>
            new Promise<number>((resolve, reject) => {
              let bytes = 0;
              const stream = session.request({ ':path': '/large' });
              stream.on('data', (chunk: Buffer) => {
                bytes += chunk.length;
              });
              stream.on('end', () => resolve(bytes));
              stream.on('error', reject);
            }),
        ),
      );
      session.destroy();
      assert.ok(lengths.every((length) => length === BODY_BYTES));
      assert.equal(await stat(hop.proxy, 'cluster.up.upstream_cx_total'), 1);
      assert.equal(await stat(hop.proxy, 'cluster.up.upstream_cx_http2_total'), 1);
    } finally {
      await hop.stop();
      await behind.stop();
    }
  });
});
