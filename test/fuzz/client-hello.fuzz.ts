// Fuzzes the ClientHello reader: hellos of a real TLS stack with random options, cut, mutated, in other records.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnectionOptions, SecureVersion } from 'node:tls';
import { Random } from '../../src/base/clock.ts';
import { ja3Of, ja4Of } from '../../src/proxy/listener/filters/tls-inspector/fingerprint.ts';
import { ClientHelloReader } from '../../src/wire/client-hello-reader.ts';
import { capturedHello } from '../support/captured-hello.ts';
import { fuzzLimits } from './proto-mutator.ts';

const { seconds, seed } = fuzzLimits(4);

const VERSIONS: readonly SecureVersion[] = ['TLSv1.2', 'TLSv1.3'];
const PROTOCOLS = ['h2', 'http/1.1', 'istio', 'istio-peer-exchange', 'x', 'a'.repeat(255)];
const CIPHERS = ['ECDHE-RSA-AES128-GCM-SHA256', 'ALL', 'AES256-SHA', 'ECDHE-ECDSA-CHACHA20-POLY1305'];
const CURVES = ['X25519', 'prime256v1:X25519', 'X25519MLKEM768:X25519', 'P-521'];

function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)] as T;
}

function randomName(random: Random): string {
  const label = (): string => Array.from({ length: 1 + random.below(20) }, () => pick(random, [...'aZ09-'])).join('');
  return Array.from({ length: 1 + random.below(4) }, () => `x${label()}`).join('.');
}

type Options = { serverName: string; alpn: string[]; maxVersion: SecureVersion; connection: ConnectionOptions };

function randomOptions(random: Random): Options {
  const serverName = random.below(4) === 0 ? '' : randomName(random);
  const alpn = random.below(3) === 0 ? [] : Array.from({ length: 1 + random.below(4) }, () => pick(random, PROTOCOLS));
  const maxVersion = pick(random, VERSIONS);
  const connection = {
    servername: serverName,
    maxVersion,
    ciphers: pick(random, CIPHERS),
    ecdhCurve: pick(random, CURVES),
    ...(alpn.length === 0 ? {} : { ALPNProtocols: alpn }),
  };
  return { serverName, alpn, maxVersion, connection };
}

/** What a reader made of the bytes. */
function outcome(reader: ClientHelloReader): unknown {
  const { status, reason, hello } = reader;
  if (hello === null) return [status, reason];
  const names = [hello.version, hello.serverName, hello.alpn, hello.ciphers, hello.extensions, hello.pointFormats];
  return [status, names, ja3Of(hello), ja4Of(hello)];
}

/** Reads at once and in pieces, before memory that must not matter; all of it must come out alike. */
function check(bytes: Buffer, random: Random): { result: unknown; isFound: boolean } {
  const whole = new ClientHelloReader();
  whole.read(bytes);
  assert.ok(whole.bytesRead <= bytes.length);
  const result = outcome(whole);
  const padded = Buffer.concat([bytes, Buffer.alloc(64, random.below(256))]);
  const pieces = new ClientHelloReader();
  for (let end = 0; end < bytes.length && pieces.status === 'more'; ) {
    end = Math.min(bytes.length, end + 1 + random.below(random.below(2) === 0 ? 3 : 300));
    pieces.read(padded, end);
  }
  assert.deepEqual(outcome(pieces), result);
  assert.equal(pieces.bytesRead, whole.bytesRead);
  return { result, isFound: whole.status === 'found' };
}

/** The same message in records of other sizes, some of them empty. */
function inOtherRecords(hello: Buffer, random: Random): Buffer {
  const message = hello.subarray(5);
  const parts: Buffer[] = [];
  let empty = 0;
  for (let at = 0; at < message.length; ) {
    const mayBeEmpty = empty < 32 && random.below(20) === 0;
    const length = mayBeEmpty ? 0 : Math.min(message.length - at, 1 + random.below(random.below(4) === 0 ? 4 : 600));
    empty = length === 0 ? empty + 1 : 0;
    parts.push(Buffer.from([22, 3, random.below(4), length >> 8, length & 0xff]), message.subarray(at, at + length));
    at += length;
  }
  return Buffer.concat(parts);
}

/** Flips, cuts, doubles, and bytes that mean something to the format. */
function mutate(hello: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(hello);
  for (let i = random.below(5); i >= 0 && bytes.length > 0; i--) {
    const at = random.below(random.below(3) === 0 ? Math.min(bytes.length, 60) : bytes.length);
    const kind = random.below(6);
    if (kind === 0) bytes[at] = random.below(256);
    else if (kind === 1) bytes[at] = pick(random, [0, 1, 2, 3, 20, 21, 22, 23, 0x7f, 0x80, 0xff]);
    else if (kind === 2) bytes = bytes.subarray(0, at);
    else if (kind === 3) bytes = Buffer.concat([bytes, bytes.subarray(at)]);
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(4))]);
    else bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from([random.below(256)]), bytes.subarray(at)]);
  }
  return bytes;
}

test(`hellos of a real TLS stack are read, ${seconds} s from seed ${seed}`, async (t) => {
  const random = new Random(seed);
  const hellos: Buffer[] = [];
  for (let i = 0; i < 40; i++) {
    const { serverName, alpn, maxVersion, connection } = randomOptions(random);
    const bytes = await capturedHello(connection);
    const reader = new ClientHelloReader();
    const about = JSON.stringify(connection);
    assert.equal(reader.read(bytes), 'found', about);
    assert.equal(reader.bytesRead, bytes.length);
    assert.equal(reader.hello?.serverName, serverName.toLowerCase(), about);
    assert.deepEqual(reader.hello.alpn, alpn, about);
    assert.equal(reader.hello.numbersOf(43, 1).includes(0x0304), maxVersion === 'TLSv1.3', about);
    const { result } = check(bytes, random);
    assert.deepEqual(check(inOtherRecords(bytes, random), random).result, result);
    hellos.push(bytes);
  }

  const until = performance.now() + seconds * 1000;
  let inputs = 0;
  let found = 0;
  while (performance.now() < until) {
    const base = pick(random, hellos);
    const bytes = mutate(random.below(4) === 0 ? inOtherRecords(base, random) : base, random);
    inputs++;
    try {
      if (check(bytes, random).isFound) found++;
    } catch (error) {
      throw new Error(`seed ${seed}, input ${inputs}: ${bytes.toString('hex')}`, { cause: error });
    }
  }
  t.diagnostic(`${inputs} inputs, ${found} of them still a ClientHello`);
  assert.ok(found > 0);
});
