// Fuzzes what a control plane sends, all the way to what serves: captures of a real istiod, mutated as bytes, as
// messages and as responses. Nothing throws or hangs, what is refused says where and why, and the last good serves.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import type { MessageType } from '../../src/proto/message-type.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { typeName } from '../../src/proxy/workers/resource-decoder.ts';
import {
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  EXTENSION_TYPE,
  LISTENER_TYPE,
  ROUTE_TYPE,
  SECRET_TYPE,
} from '../../src/proxy/xds/types.ts';
import { type Capture, openCaptures } from '../captures/captures.ts';
import { resourceBytes } from '../captures/decode.ts';
import { makeIdentities } from '../captures/serve.ts';
import { APPLIED_TYPES, ApplyRig } from './apply-rig.ts';
import { MessageMutator } from './message-mutator.ts';
import { fuzzLimits, mutateBytes } from './proto-mutator.ts';
import { MessageMaker } from './proto-oracle.ts';

type Json = Readonly<Record<string, unknown>>;
/** By type and name. */
type State = ReadonlyMap<string, Map<string, Uint8Array>>;

const { seconds, seed } = fuzzLimits(8);
/** Processor time that one update may take, on a machine that has other things to do. */
const MAX_UPDATE_MS = 1_500;
/** Updates that one proxy gets. */
const UPDATES = 150;
const SENTINEL = 'sentinel';
const SENTINEL_PORT = 10_000;
const UPSTREAM_PORT = 10_080;
const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'envoy.extensions.filters.http.router.v3.Router';

const folder = mkdtempSync(join(tmpdir(), 'heddle-apply-'));
after(() => rmSync(folder, { recursive: true, force: true }));
// Relative paths of mutated configurations lead nowhere.
process.chdir(folder);

function encode(type: string, json: Json): Uint8Array {
  const report = new Report();
  const message = fromJson(registry.message(type), json, report);
  assert.deepEqual(report.problems, []);
  return encodeBinary(registry.message(type), message);
}

// ─── What is sent before anything is mutated ──────────────────────────────────────────────────────────────────────

const ADS: Json = { ads: {}, resource_api_version: 'V3' };
const socket = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });

/** A listener, route, cluster and endpoint that no mutation touches: they serve all the time. */
function sentinel(): Map<string, Uint8Array> {
  const manager = {
    '@type': `type.googleapis.com/${HCM}`,
    stat_prefix: SENTINEL,
    rds: { route_config_name: SENTINEL, config_source: ADS },
    http_filters: [{ name: 'router', typed_config: { '@type': `type.googleapis.com/${ROUTER}` } }],
  };
  const route = { match: { prefix: '/' }, route: { cluster: SENTINEL } };
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: socket(UPSTREAM_PORT) } }] }];
  const resources: Readonly<Record<string, Json>> = {
    [CLUSTER_TYPE]: {
      ...{ name: SENTINEL, type: 'EDS', connect_timeout: '1s' },
      eds_cluster_config: { eds_config: ADS },
    },
    [ENDPOINTS_TYPE]: { cluster_name: SENTINEL, endpoints },
    [LISTENER_TYPE]: {
      ...{ name: SENTINEL, address: socket(SENTINEL_PORT) },
      filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
    },
    [ROUTE_TYPE]: { name: SENTINEL, virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
  };
  return new Map(Object.entries(resources).map(([type, json]) => [type, encode(type, json)]));
}

const SENTINELS = sentinel();

function secretMaker(): (name: string) => Uint8Array {
  const identities = makeIdentities();
  const identity = identities.of('ns/bookinfo/sa/bookinfo');
  const text = (inline_string: string): Json => ({ inline_string });
  const certificate = { certificate_chain: text(identity.chainPem), private_key: text(identity.keyPem) };
  return (name) =>
    encode(SECRET_TYPE, {
      name,
      ...(/root|cacert/i.test(name)
        ? { validation_context: { trusted_ca: text(identities.ca.pem) } }
        : { tls_certificate: certificate }),
    });
}

const makeSecret = secretMaker();

function stateOf({ types }: Capture): State {
  const state = new Map<string, Map<string, Uint8Array>>(APPLIED_TYPES.map((type) => [type, new Map()]));
  for (const [typeUrl, resources] of types) {
    for (const { name, json } of resources) {
      const bytes = resourceBytes(json);
      if (bytes instanceof Uint8Array) state.get(typeName(typeUrl))?.set(name, bytes);
    }
  }
  for (const name of ['default', 'ROOTCA']) state.get(SECRET_TYPE)?.set(name, makeSecret(name));
  for (const [type, bytes] of SENTINELS) state.get(type)?.set(SENTINEL, bytes);
  return state;
}

const states = openCaptures()
  .captures.map(stateOf)
  .filter((state) => (state.get(LISTENER_TYPE)?.size ?? 0) > 1);

// ─── One proxy and what it is sent ────────────────────────────────────────────────────────────────────────────────

class Episode {
  readonly rig: ApplyRig;
  readonly #state: State;
  readonly #random: Random;
  readonly #maker: MessageMaker;
  readonly #mutator: MessageMutator;

  constructor(random: Random, maker: MessageMaker, mutator: MessageMutator) {
    this.#random = random;
    this.#maker = maker;
    this.#mutator = mutator;
    this.#state = maker.pick(states);
    this.rig = new ApplyRig(folder, random.uint32(), random.below(2) === 0);
    serveUpstream(this.rig);
  }

  async start(): Promise<void> {
    // Listeners are asked for once clusters have their secrets and hosts.
    for (const type of [CLUSTER_TYPE, SECRET_TYPE, ENDPOINTS_TYPE]) await this.rig.send(type, this.#of(type));
    await this.#sendSecrets();
    await this.rig.advance(60_000);
    for (const type of [LISTENER_TYPE, ROUTE_TYPE, EXTENSION_TYPE]) await this.rig.send(type, this.#of(type));
    await this.#sendSecrets();
    this.checkServes();
  }

  /** All that are asked for. */
  async #sendSecrets(): Promise<void> {
    const own = this.#of(SECRET_TYPE);
    for (const name of this.rig.decoded.holders.record.awaited(SECRET_TYPE)) {
      if (!own.has(name)) own.set(name, makeSecret(name));
    }
    await this.rig.send(SECRET_TYPE, own);
  }

  #of(type: string): Map<string, Uint8Array> {
    return this.#state.get(type) as Map<string, Uint8Array>;
  }

  checkServes(): void {
    assert.equal(this.rig.ask(SENTINEL_PORT, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'), 'HTTP/1.1 200 OK');
  }

  async update(): Promise<void> {
    const random = this.#random;
    const kinds = APPLIED_TYPES.filter((type) => this.#of(type).size > 0);
    const type = this.#maker.pick(kinds);
    const names = [...this.#of(type).keys()].filter((name) => name !== SENTINEL);
    if (names.length === 0) return;
    const name = this.#maker.pick(names);
    const bytes = this.#mutate(type, name);
    const resources = this.rig.isDelta ? new Map<string, Uint8Array>() : new Map(this.#of(type));
    resources.set(random.below(20) === 0 ? this.#maker.pick(names) : name, bytes);
    const before = this.#objects(type);
    this.rig.takeRequests();
    const response = this.rig.response(type, resources, random.below(15) === 0 ? [this.#maker.pick(names)] : []);
    if (random.below(8) === 0) {
      this.rig.receive(mutateBytes(response, this.#maker));
      await this.rig.settle();
      await this.#restore(type);
      return;
    }
    this.rig.receive(response);
    await this.rig.settle();
    this.#checkProblems();
    this.#checkAnswer(type);
    this.#checkRefused(type, before);
    if (random.below(10) === 0) await this.#restore(type);
  }

  /** All as it was, and what goes with it: what was removed is asked for again. */
  async #restore(type: string): Promise<void> {
    await this.rig.send(type, this.#of(type));
    const bound = { [CLUSTER_TYPE]: ENDPOINTS_TYPE, [LISTENER_TYPE]: ROUTE_TYPE }[type];
    if (bound !== undefined) await this.rig.send(bound, this.#of(bound));
  }

  #mutate(type: string, name: string): Uint8Array {
    const random = this.#random;
    const maker = this.#maker;
    const own = this.#of(type).get(name) as Uint8Array;
    switch (random.below(10)) {
      case 0:
      case 1:
        return mutateBytes(own.length > 20_000 ? own.subarray(0, 20_000) : own, maker);
      case 2:
        return own.subarray(0, random.below(own.length + 1));
      case 3: {
        const [, other] = maker.pick([...this.#of(maker.pick(APPLIED_TYPES)), ['', own] as const]);
        return [...SENTINELS.values()].includes(other) ? own : other;
      }
      default: {
        const known = registry.message(type) as MessageType;
        const message = decodeBinary(known, own);
        assert.ok(message !== undefined);
        return encodeBinary(known, this.#mutator.mutate(known, message) as never);
      }
    }
  }

  /** What serves now, by name: another object is another configuration. */
  #objects(type: string): Map<string, unknown> {
    const { worker, decoded } = this.rig;
    const { routes, endpoints, secrets: secretHolders, extensions } = decoded.holders;
    const holders = { [ROUTE_TYPE]: routes, [ENDPOINTS_TYPE]: endpoints, [SECRET_TYPE]: secretHolders }[type];
    const objects = new Map<string, unknown>();
    for (const name of this.rig.record(type).keys()) {
      if (type === CLUSTER_TYPE) objects.set(name, worker.clusters.get(name)?.config);
      else if (type === LISTENER_TYPE) objects.set(name, listensAt(worker, name));
      else objects.set(name, (holders ?? extensions).find(name, 'ads')?.current);
    }
    return objects;
  }

  #checkAnswer(type: string): void {
    const requests = this.rig.takeRequests();
    if (type !== CLUSTER_TYPE && type !== LISTENER_TYPE) return;
    assert.ok(
      requests.some(({ type_url = '', response_nonce = '' }) => typeName(type_url) === type && response_nonce !== ''),
      `no answer: ${JSON.stringify(requests)}`,
    );
  }

  #checkRefused(type: string, before: ReadonlyMap<string, unknown>): void {
    const now = this.#objects(type);
    for (const [name, { error, active }] of this.rig.record(type)) {
      if (error === null) continue;
      if (isShowing) note(type, error.details);
      else assert.match(error.details, REASON, `${type} ${name}`);
      // A secret serves whoever of its users can take it.
      if (type === SECRET_TYPE && this.#fitsSome(name)) continue;
      if (active !== null && before.get(name) !== undefined) {
        assert.deepEqual(now.get(name), before.get(name), `${type} ${name} changed though it was refused`);
      }
    }
  }

  #fitsSome(name: string): boolean {
    const { secrets } = this.rig.decoded.holders;
    const holders = [...this.rig.channels.keys()].map((place) => secrets.find(name, place));
    return holders.some((holder) => holder?.current != null && holder.fitsSome(holder.current));
  }

  /** What was taken is used, whatever it is. */
  tryListeners(): void {
    const maker = this.#maker;
    for (const { addresses } of this.rig.worker.listeners.statuses()) {
      if (maker.below(4) > 0) continue;
      for (const address of addresses) {
        if (address.family !== 'ipv4') continue;
        const host = maker.pick([
          'productpage:9080',
          'a',
          '',
          'reviews.bookinfo.svc.cluster.local:9080',
          '127.0.0.1:80',
        ]);
        this.rig.ask(address.port, `GET /productpage?a=b HTTP/1.1\r\nhost: ${host}\r\ncookie: a=b\r\n\r\n`);
      }
    }
  }

  /** Everything is taken back: nothing of it is left. */
  async end(): Promise<void> {
    const { rig } = this;
    const { clusters, listeners } = rig.worker;
    for (const type of [LISTENER_TYPE, CLUSTER_TYPE]) {
      await rig.send(type, new Map(), rig.isDelta ? [...rig.record(type).keys()] : []);
      await rig.advance(600_000);
    }
    this.#checkProblems();
    assert.deepEqual(listeners.statuses(), []);
    assert.deepEqual([...clusters.all()].map(({ name }) => name).sort(), ['sds-grpc', 'xds-grpc']);
    const prefixes = [...rig.core.stats.scopes()].map(({ prefix }) => prefix);
    const left = prefixes.filter((prefix) => prefix.startsWith('cluster.') && !OWN_CLUSTER.test(prefix));
    assert.deepEqual(left, []);
    assert.equal(rig.core.engine.openStreams, 0);
  }

  check(): void {
    this.#checkProblems();
    this.checkServes();
  }

  #checkProblems(): void {
    if (!isShowing) assert.deepEqual(this.rig.problems, []);
    for (const problem of this.rig.problems.splice(0)) {
      const [text = '', ...stack] = problem.split('\n').map((line) => line.replace(/^.*\[main\] /, '').trim());
      const own = stack.filter((line) => !/ApplyRig|resource-decoder|apply[.]ts/.test(line)).slice(0, 4);
      const key = [text, ...own.map((line) => line.replace(/file:.*?\/(src|test)\//, '$1/'))].join('\n    ');
      bugs.set(key, (bugs.get(key) ?? 0) + 1);
    }
  }
}

function listensAt(worker: ApplyRig['worker'], name: string): unknown {
  return worker.listeners.statuses().find((listener) => listener.name === name)?.addresses;
}

function serveUpstream({ core }: ApplyRig): void {
  core.engine.listen({ family: 'ipv4', address: '127.0.0.1', port: UPSTREAM_PORT }, {}, (stream) => {
    stream.handler = {
      onData: () => void stream.writeLatin1('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'),
      onEnd: () => stream.end(),
      onDrain() {},
      onClose() {},
    };
  });
}

/** HEDDLE_FUZZ_SHOW=1: bugs are counted and shown at the end, and reasons without a path. */
const isShowing = process.env['HEDDLE_FUZZ_SHOW'] === '1';
const bugs = new Map<string, number>();

/** The path of a field and why; or what is wrong with the whole. */
const REASON = new RegExp(
  [
    '^[a-z_0-9]+([.[].*)?: .',
    '(^|: )(malformed varint|field number 0|cut inside|a value of \\d+ bytes|string field \\S+ is not valid UTF-8)',
    '^(Unable to unpack|cannot bind|error adding listener|is static|is a |is of a kind|duplicate )',
    '^(SAN-based verification|Error: |Didn)',
  ].join('|'),
  's',
);

/** Statistics of what the bootstrap has. */
const OWN_CLUSTER = /^cluster[.](sds|xds)-grpc[.]/;

/** Reasons without a path, for whoever looks at what they are. */
const pathless = new Map<string, number>();
function note(type: string, line: string): void {
  if (REASON.test(line)) return;
  const key = `${type.slice(type.lastIndexOf('.') + 1)} ${line.slice(0, 100)}`;
  pathless.set(key, (pathless.get(key) ?? 0) + 1);
}

test('mutated configuration of a control plane', async () => {
  const random = new Random(seed);
  const maker = new MessageMaker(() => random.uint32() / 2 ** 32);
  const mutator = new MessageMutator(maker);
  for (const state of states.slice(0, 30)) {
    for (const [type, resources] of state) {
      const known = registry.message(type) as MessageType;
      for (const [name, bytes] of [...resources].slice(0, 40)) {
        if (name !== SENTINEL) mutator.learn(known, decodeBinary(known, bytes));
      }
    }
  }
  const until = Date.now() + seconds * 1000;
  let updates = 0;
  let slowestMs = 0;
  try {
    while (Date.now() < until) {
      const episode = new Episode(random, maker, mutator);
      await episode.start();
      for (let i = 0; i < UPDATES && Date.now() < until; i++) {
        const before = process.cpuUsage();
        await episode.update();
        const { user, system } = process.cpuUsage(before);
        slowestMs = Math.max(slowestMs, (user + system) / 1000);
        assert.ok((user + system) / 1000 < MAX_UPDATE_MS, `an update took ${(user + system) / 1000} ms`);
        updates++;
        if (i % 10 === 0) episode.tryListeners();
        episode.check();
      }
      await episode.end();
    }
  } catch (error) {
    throw new Error(`seed ${seed}, update ${updates}`, { cause: error });
  } finally {
    console.log(`${updates} updates, the slowest took ${slowestMs.toFixed(0)} ms`);
    if (isShowing) console.log([...pathless, ...bugs].map(([text, count]) => `${count} ${text}`).join('\n'));
  }
});
