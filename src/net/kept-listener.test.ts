// Sockets that are bound in one place and served in others: taken ports, ports that are free to choose, unix sockets.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Address } from '../base/byte-stream.ts';
import { Clock } from '../base/clock.ts';
import { createEngine, isListenError } from './engine.ts';
import { bindKept, KeptListener } from './kept-listener.ts';

const ANY_PORT: Address = { family: 'ipv4', address: '127.0.0.1', port: 0 };

function kept(...args: Parameters<typeof bindKept>): KeptListener {
  const result = bindKept(...args);
  assert.ok(result instanceof KeptListener, 'detail' in result ? result.detail : '');
  return result;
}

function makeEngine() {
  return createEngine({ clock: new Clock(), onBug: (error) => assert.fail(String(error)) });
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

test('a port is chosen once for all threads, and a second owner is refused', () => {
  const first = kept(ANY_PORT, { reusePort: true }, 3);
  assert.ok(first.address.port > 0);
  const fd = first.duplicate(2);
  assert.ok(typeof fd === 'number');
  const served = makeEngine().listen(first.address, { fd }, (stream) => stream.destroy());
  assert.ok(!isListenError(served));
  const second = bindKept(first.address, { reusePort: true }, 3);
  assert.ok('errno' in second);
  assert.equal(second.errno, 'EADDRINUSE');
  served.close();
  first.close();
  kept(first.address, { reusePort: true }, 3).close();
});

test('it listens while a thread does, and connections wait for the next thread', async () => {
  const listener = kept(ANY_PORT, { reusePort: true }, 1);
  const { port } = listener.address;
  assert.equal(await connects(port), false, 'nobody listens yet');
  const engine = makeEngine();
  let accepted = 0;
  const serve = () => {
    const fd = listener.duplicate(0);
    assert.ok(typeof fd === 'number');
    const served = engine.listen(listener.address, { fd }, (stream) => {
      accepted++;
      stream.destroy();
    });
    assert.ok(!isListenError(served));
    return served;
  };
  const first = serve();
  assert.equal(await connects(port), true);
  first.close();
  const before = accepted;
  assert.equal(await connects(port), true, 'the kernel takes it');
  assert.equal(accepted, before);
  const second = serve();
  while (accepted === before) await new Promise((resolve) => setTimeout(resolve, 5));
  second.close();
  listener.close();
  assert.equal(await connects(port), false);
});

test('a unix socket gets its mode, takes a dead one’s place, and spares a file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-kept-'));
  const address: Address = { family: 'unix', address: join(directory, 's'), port: 0 };
  kept(address, { mode: 0o640 }, 2).close();
  const again = kept(address, { mode: 0o600 }, 2);
  assert.equal(statSync(address.address).mode & 0o777, 0o600);
  again.close();
  rmSync(address.address);
  writeFileSync(address.address, 'a file');
  const refused = bindKept(address, {}, 2);
  assert.ok('errno' in refused);
  assert.equal(refused.errno, 'EADDRINUSE');
  rmSync(directory, { recursive: true });
});
