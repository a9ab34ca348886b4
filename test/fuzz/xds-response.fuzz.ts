// Fuzzes the xDS client with what a real istiod sent, mutated: nothing throws, each response is answered, and only what
// is wanted comes through; and the text format with mutated text.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock, Random } from '../../src/base/clock.ts';
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import type { MessageType } from '../../src/proto/message-type.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { decodeText } from '../../src/proto/text-decode.ts';
import type { XdsChannelHandler } from '../../src/xds/client/channel.ts';
import { XdsMux } from '../../src/xds/client/mux.ts';
import {
  CLUSTER_TYPE,
  COMPLETE_TYPES,
  ENDPOINT_TYPE,
  LISTENER_TYPE,
  ROUTE_TYPE,
  SECRET_TYPE,
} from '../../src/xds/client/services.ts';
import type { XdsListener, XdsRefusal, XdsResponse } from '../../src/xds/client/types.ts';
import { openCaptures } from '../captures/captures.ts';
import { fuzzLimits, mutateBytes } from './proto-mutator.ts';
import { MessageMaker } from './proto-oracle.ts';

const { seconds, seed } = fuzzLimits(4);
/** Larger responses take longer to mutate, and tell nothing new. */
const MAX_BYTES = 20_000;
const TYPES = [CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE];

type Form = { readonly isDelta: boolean; readonly type: MessageType; readonly bytes: readonly Uint8Array[] };

function formOf(isDelta: boolean): Form {
  const type = registry.message(`envoy.service.discovery.v3.${isDelta ? 'Delta' : ''}DiscoveryResponse`) as MessageType;
  const { traces, captures } = openCaptures();
  const steps = (isDelta ? traces.delta : traces.sotw).filter(({ dir }) => dir === 'resp');
  const messages = steps.map(({ message }) => message);
  // One response for each type of the first captures, cut to a few resources.
  for (const capture of captures.slice(0, 4)) {
    for (const [type_url, all] of capture.types) {
      const some = all.slice(0, 3);
      const resources = isDelta
        ? some.map(({ name, json }) => ({ name, version: '1', resource: json }))
        : some.map(({ json }) => json);
      messages.push({ type_url, nonce: 'n', resources, [isDelta ? 'system_version_info' : 'version_info']: '1' });
    }
  }
  const bytes = messages.map((message) => encodeBinary(type, fromJson(type, message, new Report())));
  return { isDelta, type, bytes: bytes.filter(({ length }) => length <= MAX_BYTES) };
}

class Client implements XdsListener {
  readonly clock = new Clock({ manual: true });
  readonly wanted: ReadonlySet<string>;
  readonly #random: Random;
  readonly #waiting: (() => void)[] = [];
  /** Nonces of requests, by type URL. */
  answers: { readonly type: string; readonly nonce: string }[] = [];
  handler: XdsChannelHandler | null = null;
  readonly mux: XdsMux;
  pauses = 0;

  constructor(random: Random, isDelta: boolean, wanted: ReadonlySet<string>) {
    this.#random = random;
    this.wanted = wanted;
    const options = { isDelta, setsNodeOnFirstOnly: true, rateLimit: null, method: '', destination: '', counts: null };
    this.mux = new XdsMux({ clock: this.clock, log: () => {}, node: () => ({}) }, options, (handler) => {
      this.handler = handler;
      return {
        ...{ start: () => handler.onOpen(), isOpen: true, isAboveWatermark: false, stop: () => {} },
        pauseReading: () => void this.pauses++,
        resumeReading: () => void this.pauses--,
        send: (message) => {
          const { type_url, response_nonce } = message as { type_url: string; response_nonce?: string };
          if (response_nonce !== undefined) this.answers.push({ type: type_url, nonce: response_nonce });
          return true;
        },
      };
    });
    for (const type of TYPES) {
      const subscription = this.mux.subscribe(type, COMPLETE_TYPES.has(type), 0, this);
      if (!COMPLETE_TYPES.has(type)) for (const name of wanted) subscription.add(name);
    }
  }

  onResponse(response: XdsResponse, done: (refused: readonly XdsRefusal[]) => void): void {
    const { type, resources, removed } = response;
    for (const resource of resources) {
      assert.equal(resource.type, type);
      assert.ok(COMPLETE_TYPES.has(type) || this.wanted.has(resource.name));
    }
    const names = [...resources.map(({ name }) => name), ...removed];
    assert.equal(new Set(names).size, names.length);
    const refused = resources.filter(() => this.#random.below(4) === 0).map(({ name }) => ({ name, reason: 'x' }));
    if (this.#random.below(3) > 0) done(refused);
    else this.#waiting.push(() => done(refused));
  }
  onFetchTimeout(): void {}
  onConnection(): void {}

  /** Until the listener has answered everything, and all requests are sent. */
  async settle(): Promise<void> {
    for (;;) {
      await new Promise<void>((resolve) => this.clock.defer(resolve));
      this.clock.advance(1);
      await new Promise<void>((resolve) => this.clock.defer(resolve));
      const waiting = this.#waiting.splice(0);
      if (waiting.length === 0) return;
      for (const answer of waiting) answer();
    }
  }
}

/** Runs until the time is over; a failure tells its seed and number. */
async function repeat(share: number, run: (random: Random) => Promise<void> | void): Promise<void> {
  const random = new Random(seed);
  const until = Date.now() + seconds * 1000 * share;
  for (let inputs = 1; Date.now() < until; inputs++) {
    try {
      await run(random);
    } catch (error) {
      throw new Error(`seed ${seed}, input ${inputs}`, { cause: error });
    }
  }
}

for (const isDelta of [false, true]) {
  test(`mutated responses: ${isDelta ? 'delta' : 'state of the world'}`, async () => {
    const { type, bytes } = formOf(isDelta);
    assert.ok(bytes.length > 20);
    const names = openCaptures().captures[0]?.types.get(`type.googleapis.com/${ENDPOINT_TYPE}`) ?? [];
    const wanted = new Set(['', 'default', '80', ...names.map(({ name }) => name)]);
    await repeat(0.4, async (random) => {
      const maker = new MessageMaker(() => random.uint32() / 2 ** 32);
      const client = new Client(random, isDelta, wanted);
      await client.settle();
      const expected = new Map<string, string[]>();
      for (let i = 0; i < 8; i++) {
        const one = maker.pick(bytes);
        const message = decodeBinary(type, random.below(5) === 0 ? one : mutateBytes(one, maker));
        if (message === undefined) continue;
        message['nonce'] = `n${i}`;
        const url = String(message['type_url'] ?? '');
        const name = url.slice(url.lastIndexOf('/') + 1);
        if (TYPES.includes(name)) expected.set(name, [...(expected.get(name) ?? []), `n${i}`]);
        client.handler?.onMessage(message);
        if (random.below(3) === 0) await client.settle();
      }
      await client.settle();
      for (const [name, nonces] of expected) {
        const answered = client.answers.filter((answer) => answer.type.endsWith(name)).map(({ nonce }) => nonce);
        if (isDelta) assert.deepEqual(answered.sort(), nonces.sort(), name);
        else assert.equal(answered.at(-1), nonces.at(-1), name);
      }
      assert.equal(client.pauses, 0);
      client.mux.close();
    });
  });
}

const TEXTS = [
  'version_info: "1" resources { [type.googleapis.com/envoy.config.cluster.v3.Cluster] { name: "c" type: EDS } }',
  "resources < type_url: 'a' value: '\\001\\x02\\u00e9' > nonce: \"a\" 'b' # end",
  'control_plane { identifier: "x" } canary: true, resource_errors [{ error_detail { code: -0x7 } }];',
];

test('mutated text', () =>
  repeat(0.2, (random) => {
    const type = registry.message('envoy.service.discovery.v3.DiscoveryResponse');
    const maker = new MessageMaker(() => random.uint32() / 2 ** 32);
    const text = Buffer.from(mutateBytes(Buffer.from(maker.pick(TEXTS)), maker)).toString('latin1');
    const report = new Report();
    const message = decodeText(type, text, report);
    assert.equal(message === undefined, !report.isEmpty, text);
    if (message !== undefined) assert.ok(decodeBinary(type, encodeBinary(type, message)) !== undefined, text);
  }));
