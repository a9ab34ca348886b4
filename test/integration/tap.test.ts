// The files that the tap filter writes, beside those of the real Envoy: the same but for ids and times.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { arePeersRequired, findEnvoy } from '../support/find-envoy.ts';
import type { ProxyKind } from '../support/proxy-process.ts';
import { exchange, type Json, type Running, stable, tapRig } from './tap-rig.ts';

type Tapped = { readonly format?: string; readonly output?: Json; readonly tap?: Json; readonly filter?: Json };

const records = {
  record_headers_received_time: true,
  record_downstream_connection: true,
  record_upstream_connection: true,
};
const TAPS: Readonly<Record<string, Tapped>> = {
  string: { format: 'JSON_BODY_AS_STRING' },
  bytes: { format: 'JSON_BODY_AS_BYTES' },
  binary: { format: 'PROTO_BINARY' },
  delimited: { format: 'PROTO_BINARY_LENGTH_DELIMITED' },
  text: { format: 'PROTO_TEXT' },
  streamed: { output: { streaming: true } },
  streamedtext: { format: 'PROTO_TEXT', output: { streaming: true } },
  streamedbinary: { format: 'PROTO_BINARY_LENGTH_DELIMITED', output: { streaming: true } },
  short: { output: { max_buffered_rx_bytes: 3, max_buffered_tx_bytes: 0 } },
  shortstreamed: { output: { max_buffered_rx_bytes: 3, max_buffered_tx_bytes: 2, streaming: true } },
  recorded: {
    filter: records,
    tap: { tap_enabled: { default_value: { numerator: 10_000, denominator: 'TEN_THOUSAND' } } },
  },
  recordedtext: { filter: records, format: 'PROTO_TEXT' },
  minimum: { output: { streaming: true, min_streamed_sent_bytes: 100_000 } },
  late: {
    tap: { match: { http_response_headers_match: { headers: [{ name: ':status', exact_match: '200' }] } } },
    output: { streaming: true },
  },
};

function fieldsOf(prefix: string, { format, output, tap, filter }: Tapped): Json {
  const sink = { format: format ?? 'JSON_BODY_AS_BYTES', file_per_tap: { path_prefix: prefix } };
  const config = { match: { any_match: true }, output_config: { sinks: [sink], ...output }, ...tap };
  return { common_config: { static_config: config }, ...filter };
}

const rig = tapRig();

async function start(
  kind: ProxyKind,
  taps: Readonly<Record<string, Tapped>>,
  files: string,
): Promise<Running & { readonly files: string }> {
  const fields = Object.entries(taps).map(([name, each]) => [name, fieldsOf(join(files, name), each)]);
  return { ...(await rig.start(kind, Object.fromEntries(fields) as Readonly<Record<string, Json>>)), files };
}

/** The one file of a tap, without what differs from run to run. */
async function fileOf(files: string, name: string): Promise<{ readonly kind: string; readonly text: string }> {
  let found: string | undefined;
  let text = '';
  for (let i = 0; i < 200; i++) {
    found = readdirSync(files).find((file) => file.startsWith(`${name}_`));
    const now = found === undefined ? '' : readFileSync(join(files, found), 'latin1');
    if (now !== '' && now === text) break;
    text = now;
    await sleep(20);
  }
  const kind = found === undefined ? 'no file' : found.slice(found.indexOf('.'));
  return { kind, text: stable(kind, text) };
}

const envoy = findEnvoy();
const skip = envoy.path === null && !arePeersRequired() ? envoy.reason : false;

describe('tap files beside those of Envoy', { skip }, () => {
  let pair: readonly Awaited<ReturnType<typeof start>>[];
  before(async () => {
    const started = (['envoy', 'heddle'] as const).map(async (kind) => {
      const files = join(rig.directory, `files-${kind}`);
      mkdirSync(files);
      return start(kind, TAPS, files);
    });
    pair = await Promise.all(started);
  });
  after(async () => {
    for (const { proxy } of pair) await proxy.stop();
  });
  for (const name of Object.keys(TAPS)) {
    it(name, async () => {
      const [theirs, ours] = await Promise.all(
        pair.map(async ({ ports, files }) => {
          assert.match(await exchange(ports.get(name)!), /^HTTP\/1.1 200 /);
          return fileOf(files, name);
        }),
      );
      assert.notEqual(theirs!.text, '');
      assert.deepEqual(ours, theirs);
    });
  }
});

it('an exchange does not suffer from a tap that cannot be written', async () => {
  const { proxy, ports } = await start(
    'heddle',
    { lost: {}, lostpieces: { output: { streaming: true } } },
    '/nowhere/at/all',
  );
  try {
    for (const port of ports.values()) assert.match(await exchange(port), /^HTTP\/1.1 200 [\s\S]*world/);
    let stats = '';
    for (let i = 0; i < 100 && !/lost\.tap\.traces_lost: [1-9]/.test(stats); i++) {
      await sleep(20);
      stats = (await proxy.admin('/stats?filter=tap')).body;
    }
    assert.match(stats, /http\.lost\.tap\.traces_lost: 1\n/);
    assert.match(stats, /http\.lost\.tap\.rq_tapped: 1\n/);
    assert.match(stats, /http\.lostpieces\.tap\.traces_lost: [3-9]\n/);
  } finally {
    await proxy.stop();
  }
});
