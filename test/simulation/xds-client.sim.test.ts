// A client and a server of xDS that do anything at any time, from a seed: in the end both have the same.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Clock, Random } from '../../src/base/clock.ts';
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { registry } from '../../src/proto/registry.ts';
import type { XdsChannel, XdsChannelHandler } from '../../src/xds/client/channel.ts';
import { XdsMux } from '../../src/xds/client/mux.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE } from '../../src/xds/client/services.ts';
import type { XdsSubscription } from '../../src/xds/client/types.ts';
import { AdsServer } from '../support/ads-server.ts';
import type { AdsStream } from '../support/ads-stream.ts';
import { Follower } from '../support/xds-client.ts';

const SEEDS = Number(process.env['HEDDLE_SIM_SEEDS'] ?? 60);
const STEPS = 80;
const NAMES = ['a', 'b', 'c', 'd'];
const turns = new Clock({ manual: true });

async function tick(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => turns.defer(resolve));
}

/** Both ways messages wait in queues until the schedule lets them pass. */
class Wire implements XdsChannel {
  isOpen = false;
  readonly isAboveWatermark = false;
  readonly up: (() => void)[] = [];
  readonly down: (() => void)[] = [];
  readonly #handler: XdsChannelHandler;
  readonly #server: AdsServer;
  readonly #isDelta: boolean;
  #stream: AdsStream | null = null;

  constructor(handler: XdsChannelHandler, server: AdsServer, isDelta: boolean) {
    this.#handler = handler;
    this.#server = server;
    this.#isDelta = isDelta;
  }
  start(): void {
    this.open();
  }
  send(message: unknown): boolean {
    const form = this.#isDelta ? 'DeltaDiscoveryRequest' : 'DiscoveryRequest';
    const stream = this.#stream;
    const copy = viaWire(form, message);
    this.up.push(() => stream?.onMessage(copy));
    return true;
  }
  pauseReading(): void {}
  resumeReading(): void {}
  stop(): void {
    this.isOpen = false;
  }

  open(): void {
    if (this.isOpen) return;
    const form = this.#isDelta ? 'DeltaDiscoveryResponse' : 'DiscoveryResponse';
    const call = {
      send: (message: unknown) => {
        const copy = viaWire(form, message);
        this.down.push(() => this.#handler.onMessage(copy));
      },
      sendBytes: () => {},
      end: () => {},
    };
    this.#stream = this.#server.connect(call, 'memory', this.#isDelta, null);
    this.isOpen = true;
    this.#handler.onOpen();
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.up.length = 0;
    this.down.length = 0;
    this.#stream?.onCancelled();
    this.#handler.onClose(14, 'gone');
  }
}

function viaWire(name: string, message: unknown): unknown {
  const type = registry.message(`envoy.service.discovery.v3.${name}`);
  return decodeBinary(type, encodeBinary(type, message as never));
}

const server = new AdsServer();
after(() => server.stop());

/** What the resource says of itself: 'bad…' is refused. */
function textOf(type: string, bytes: Uint8Array): string {
  const message = decodeBinary(registry.message(type), bytes) as Record<string, unknown>;
  if (type === CLUSTER_TYPE) return String(message['alt_stat_name'] ?? '');
  const [locality] = message['endpoints'] as { locality: { zone: string } }[];
  return locality?.locality.zone ?? '';
}

function written(type: string, name: string, text: string): object {
  if (type === CLUSTER_TYPE) return { name, alt_stat_name: text };
  return { cluster_name: name, endpoints: [{ locality: { zone: text } }] };
}

class Run {
  readonly #random: Random;
  readonly #wire: Wire;
  readonly #mux: XdsMux;
  readonly #followers = { [CLUSTER_TYPE]: new Follower(), [ENDPOINT_TYPE]: new Follower() };
  readonly #names: XdsSubscription;
  readonly #wanted = new Set<string>();
  /** What the server has, by type and name. */
  readonly #truth = new Map<string, string>();
  /** What the client should have where the newest is bad: the last good one it may have seen. */
  readonly #answers: (() => void)[] = [];
  #texts = 0;
  readonly #isDelta: boolean;

  constructor(seed: number, isDelta: boolean) {
    this.#random = new Random(seed);
    this.#isDelta = isDelta;
    server.snapshots.clear();
    server.streams.clear();
    server.requests.length = 0;
    server.sendsOnlyChanged = seed % 2 === 0;
    let wire: Wire | null = null;
    const parts = { clock: turns, log: () => {}, node: () => ({ id: 'n' }) };
    const options = { isDelta, setsNodeOnFirstOnly: seed % 3 > 0, rateLimit: null, method: '', destination: '' };
    this.#mux = new XdsMux(parts, { ...options, counts: null }, (handler) => {
      wire = new Wire(handler, server, isDelta);
      return wire;
    });
    this.#wire = wire as unknown as Wire;
    for (const [type, follower] of Object.entries(this.#followers)) {
      follower.check = (_, bytes) => (textOf(type, bytes).startsWith('bad') ? 'is bad' : null);
      follower.delay = (answer) => {
        if (this.#random.below(2) === 0) answer();
        else this.#answers.push(answer);
      };
    }
    this.#mux.subscribe(CLUSTER_TYPE, true, 0, this.#followers[CLUSTER_TYPE]);
    this.#names = this.#mux.subscribe(ENDPOINT_TYPE, false, 0, this.#followers[ENDPOINT_TYPE]);
    for (const type of [CLUSTER_TYPE, ENDPOINT_TYPE]) server.set(type, {});
  }

  async all(): Promise<void> {
    await tick();
    for (let i = 0; i < STEPS; i++) {
      this.#step();
      if (this.#random.below(3) > 0) await tick();
    }
    await this.#settle();
    this.#check();
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)] as T;
  }

  #step(): void {
    const type = this.#pick([CLUSTER_TYPE, ENDPOINT_TYPE]);
    const name = this.#pick(NAMES);
    const kind = this.#random.below(100);
    if (kind < 20) this.#put(type, name, this.#random.below(4) === 0 ? 'bad' : 'good');
    else if (kind < 27) this.#remove(type, name);
    else if (kind < 40) this.#want(name);
    else if (kind < 46) this.#unwant(name);
    else if (kind < 50) this.#wire.close();
    else if (kind < 56) this.#wire.open();
    else if (kind < 68) this.#answers.shift()?.();
    else if (kind < 84) this.#wire.up.shift()?.();
    else this.#wire.down.shift()?.();
  }

  #put(type: string, name: string, kind: string): void {
    const text = `${kind}${++this.#texts}`;
    this.#truth.set(`${type} ${name}`, text);
    server.put(type, name, written(type, name, text));
  }

  #remove(type: string, name: string): void {
    this.#truth.delete(`${type} ${name}`);
    server.remove(type, name);
  }

  #want(name: string): void {
    this.#wanted.add(name);
    this.#names.add(name);
  }

  #unwant(name: string): void {
    if (!this.#wanted.delete(name)) return;
    this.#followers[ENDPOINT_TYPE].has.delete(name);
    this.#names.remove(name);
  }

  /** Everything that waits passes, until nothing waits. */
  async #settle(): Promise<void> {
    this.#wire.open();
    for (let round = 0; round < 1000; round++) {
      await tick();
      const waiting = [...this.#answers.splice(0), ...this.#wire.up.splice(0), ...this.#wire.down.splice(0)];
      if (waiting.length === 0) return;
      for (const pass of waiting) pass();
    }
    assert.fail(`it never ends:\n${server.show()}`);
  }

  #check(): void {
    for (const type of [CLUSTER_TYPE, ENDPOINT_TYPE] as const) {
      const { has } = this.#followers[type];
      for (const name of NAMES) {
        const isWanted = type === CLUSTER_TYPE || this.#wanted.has(name);
        const truth = isWanted ? this.#truth.get(`${type} ${name}`) : undefined;
        const bytes = has.get(name);
        const text = bytes === undefined ? undefined : textOf(type, bytes);
        // Where the newest is bad an older one is kept; state of the world does not say that endpoints are gone.
        if (truth?.startsWith('bad')) assert.ok(text === undefined || text.startsWith('good'));
        else if (truth === undefined && isWanted && type === ENDPOINT_TYPE && !this.#isDelta) continue;
        else assert.equal(text, truth, `${type} ${name}\n${server.show(60)}`);
      }
    }
    const [stream] = server.streams;
    for (const [type, state] of stream?.types ?? []) {
      if (!stream?.wants(type)) continue;
      assert.equal(state.answeredNonce, state.sentNonce, `${type} is not answered\n${server.show(60)}`);
    }
  }
}

for (const isDelta of [false, true]) {
  test(`in the end the client has what the server has: ${isDelta ? 'delta' : 'state of the world'}`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        await new Run(seed, isDelta).all();
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
}
