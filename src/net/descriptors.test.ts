// What happens when there are no descriptors left: connections are shed, dials fail, and everything works again after.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as net from 'node:net';
import { createInterface } from 'node:readline';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

const LIMIT = 64;
const CLIENTS = 150;

/** Keeps all connections; 'dial' tries to open one more, 'free' closes all, and each answers with a line. */
const PROGRAM = `
  import { createInterface } from 'node:readline';
  const { createEngine } = await import('./engine.ts');
  const { nativeProblem } = await import('./native.ts');
  const { Clock } = await import('../base/clock.ts');
  nativeProblem();
  const streams = new Set();
  const onBug = (error) => console.log(String(error));
  const engine = createEngine({ clock: new Clock(), onBug, engine: process.argv[1] });
  const at = { family: 'ipv4', address: '127.0.0.1', port: 0 };
  const listener = engine.listen(at, {}, (stream) => {
    streams.add(stream);
    stream.handler = { onData() {}, onEnd: () => stream.end(), onDrain() {}, onClose: () => streams.delete(stream) };
  });
  const options = { plain: {}, prepared: { keepAliveProbes: 3 } };
  createInterface({ input: process.stdin }).on('line', (line) => {
    if (line === 'open') console.log(engine.openStreams);
    else if (line === 'cpu') console.log(process.cpuUsage().user + process.cpuUsage().system);
    else if (line === 'free') { for (const stream of streams) stream.destroy(); console.log('freed'); }
    else engine.connect(listener.address, options[line], (_, failure) => console.log(failure?.detail ?? 'dialled'));
  });
  console.log(listener.address.port);
`;

for (const engine of ['handles', 'streams']) {
  test(`${engine}: no descriptors left`, async () => {
    const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e'];
    const child = spawn('sh', ['-c', `ulimit -n ${LIMIT}; exec "$@"`, 'sh', ...node, PROGRAM, engine], {
      cwd: import.meta.dirname,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const line = async (): Promise<string> => String((await lines.next()).value);
    const ask = (what: string): Promise<string> => {
      child.stdin.write(`${what}\n`);
      return line();
    };
    const port = Number(await line());
    const clients = Array.from({ length: CLIENTS }, () => net.connect(port, '127.0.0.1'));
    let shed = 0;
    for (const client of clients) client.on('error', () => undefined).on('close', () => shed++);
    for (let i = 0; i < 200 && shed + Number(await ask('open')) < CLIENTS; i++) await sleep(10);
    const kept = Number(await ask('open'));
    assert.ok(kept > 0 && kept < LIMIT, `${kept} kept`);
    assert.equal(shed + kept, CLIENTS);

    const refused = /^immediate connect error: Too many open files\|remote address:127\.0\.0\.1:\d+$/;
    assert.match(await ask('plain'), refused);
    assert.match(await ask('prepared'), refused);
    // A listener that cannot accept must not spin.
    const before = Number(await ask('cpu'));
    await sleep(200);
    assert.ok(Number(await ask('cpu')) - before < 100_000);

    assert.equal(await ask('free'), 'freed');
    for (let i = 0; i < 200 && shed < CLIENTS; i++) await sleep(10);
    assert.equal(await ask('plain'), 'dialled');
    assert.equal(await ask('prepared'), 'dialled');
    child.kill();
    await once(child, 'exit');
  });
}
