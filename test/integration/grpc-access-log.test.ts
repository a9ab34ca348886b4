// What access log services are told: by Heddle and by the real Envoy of the same traffic, entry by entry.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arePeersRequired, findEnvoy } from '../support/find-envoy.ts';
import { choosePorts, collect, recordsOf, type Told } from './grpc-access-log-rig.ts';

const envoy = findEnvoy();
const skip = envoy.path === null && !arePeersRequired() ? envoy.reason : false;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Ports of clients, which the system chooses, are above those of listeners and upstreams. */
const FIRST_CLIENT_PORT = 32_000;

/** An entry without what differs from run to run: times are there or not, ids have their form. */
function masked(value: unknown, key = ''): unknown {
  if (/^(time_to_|duration$|start_time$|time_unix_nano$)/.test(key)) return 'time';
  if (typeof value === 'bigint') return Number(value);
  if (key === 'port_value') return (value as number) >= FIRST_CLIENT_PORT ? 'port' : value;
  if (key === 'tls_session_id') return value === '' ? '' : 'session';
  if (typeof value === 'string') return UUID.test(value) ? 'uuid' : value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map((one) => masked(one));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, one]) => [name, masked(one, name)]),
  );
}

/** Who it is, without the proxy's own name. */
function identity(told: Told): unknown[] {
  const name = (one: unknown): string => (one as { log_name: string }).log_name;
  const sorted = [...told.identifiers].sort((a, b) => (name(a) < name(b) ? -1 : 1));
  return sorted.map((one) => {
    const { node, log_name: name } = one as { node: Record<string, unknown>; log_name: string };
    const { user_agent_name: _a, user_agent_build_version: _b, extensions: _c, ...rest } = node;
    return { name, node: rest };
  });
}

/** Custom tags come in no order: Envoy keeps them in a hash table. */
function records(told: Told): unknown {
  return told.exports.flatMap(recordsOf).map((record) => {
    const attributes = (record['attributes'] ?? []) as { key: string }[];
    return masked({ ...record, attributes: [...attributes].sort((a, b) => (a.key < b.key ? -1 : 1)) });
  });
}

/** Counts of bytes, which are the codecs' affair. */
const BYTES = ['downstream_wire_bytes_sent', 'downstream_wire_bytes_received'];
const HEADER_BYTES = [
  'downstream_header_bytes_sent',
  'downstream_header_bytes_received',
  'upstream_header_bytes_received',
];

/**
 * An entry to be compared. Bytes are not counted of requests that no codec understands, nor of trailers and what frames
 * chunks, and HPACK leaves a choice.
 */
function compared(entry: unknown): unknown {
  const copy = masked(entry) as Record<string, Record<string, unknown>>;
  const isPlain =
    copy['protocol_version'] === ('HTTP11' as never) && pathOf(entry) !== '' && pathOf(entry) !== '/trailers';
  if (isPlain) return copy;
  for (const name of BYTES) delete copy['common_properties']?.[name];
  for (const name of HEADER_BYTES) {
    delete copy['request']?.[name];
    delete copy['response']?.[name];
  }
  return copy;
}

const pathOf = (entry: unknown): string => (entry as { request?: { path?: string } }).request?.path ?? '';

test('Heddle tells services what Envoy tells them', { skip, timeout: 120_000 }, async (t) => {
  const ports = await choosePorts();
  const theirs = await collect('envoy', ports);
  const ours = await collect('heddle', ports);
  for (const [i, entry] of theirs.http.entries()) {
    await t.test(`HTTP entry ${i} ${pathOf(entry)}`, () => assert.deepEqual(compared(ours.http[i]), compared(entry)));
  }
  await t.test('the number of HTTP entries', () => assert.equal(ours.http.length, theirs.http.length));
  for (const [i, entry] of theirs.tcp.entries()) {
    await t.test(`TCP entry ${i}`, () => assert.deepEqual(masked(ours.tcp[i]), masked(entry)));
  }
  await t.test('the number of TCP entries', () => assert.equal(ours.tcp.length, theirs.tcp.length));
  await t.test('log records', () => {
    assert.deepEqual(records(ours), records(theirs));
  });
  await t.test('resources', () => {
    const resource = (told: Told): unknown => {
      const [first] = told.exports as { resource_logs?: { resource?: unknown }[] }[];
      return first?.resource_logs?.[0]?.resource;
    };
    assert.deepEqual(resource(ours), resource(theirs));
  });
  await t.test('who tells', () => assert.deepEqual(identity(ours), identity(theirs)));
  await t.test('metadata of the calls', () => {
    const heads = (told: Told): string[] => [...new Set(told.heads.map((head) => head.join('\n')))].sort();
    assert.deepEqual(heads(ours), heads(theirs));
  });
  await t.test('statistics', () => assert.deepEqual(ours.stats, theirs.stats));
});
