// A proxy in memory whose control plane is the test: what it is sent goes all the way, from the bytes of a response to
// listeners, clusters and routes that serve.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { ByteStream, ByteStreamHandler } from '../../src/base/byte-stream.ts';
import { Clock, Random } from '../../src/base/clock.ts';
import { createMemoryEngine } from '../../src/net/memory-engine.ts';
import { decodeBinary } from '../../src/proto/binary-decode.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import type { Bootstrap } from '../../src/proto/generated/types.d.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { typeUrlOf } from '../../src/proto/type-url.ts';
import { type Core, type CoreParts, type Decoded, decodeProxy, makeCore } from '../../src/proxy/core.ts';
import { DrainManager } from '../../src/proxy/listener/drain.ts';
import { DEFAULT_PROXY_OPTIONS } from '../../src/proxy/options.ts';
import { Worker } from '../../src/proxy/worker.ts';
import { LocalCrew } from '../../src/proxy/workers/local-crew.ts';
import type { RecordedResource } from '../../src/proxy/xds/config-record.ts';
import { XdsController } from '../../src/proxy/xds/controller.ts';
import {
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  EXTENSION_TYPE,
  LISTENER_TYPE,
  ROUTE_TYPE,
  SECRET_TYPE,
} from '../../src/proxy/xds/types.ts';
import { AccessLogFiles } from '../../src/telemetry/access-log-file.ts';
import { LogRegistry } from '../../src/telemetry/log.ts';
import type { UpdateCounts } from '../../src/xds/client/types.ts';
import { FakeChannel } from '../../src/xds/client/testing/mux-rig.ts';
import { XdsMux } from '../../src/xds/client/mux.ts';

/** In the order in which servers send them. */
export const APPLIED_TYPES = [
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  LISTENER_TYPE,
  ROUTE_TYPE,
  SECRET_TYPE,
  EXTENSION_TYPE,
] as const;

export type Resources = ReadonlyMap<string, Uint8Array>;

const NO_COUNTS: UpdateCounts = {
  ...{ attempted() {}, succeeded() {}, failed() {}, rejected() {}, timedOut() {}, release() {}, stream: null },
};
/** Turns of the event loop in which an update must be answered; a slice of it is one. */
const MAX_TURNS = 2_000;

function bootstrap(): Bootstrap {
  const source = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' };
  const control = (name: string): object => ({
    ...{ name, type: 'STATIC', connect_timeout: '1s' },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: `./${name}.sock` } } } }] }],
    },
  });
  const INTERNAL = 'envoy.extensions.bootstrap.internal_listener.v3.InternalListener';
  const json = {
    node: {
      id: 'sidecar~10.0.1.1~productpage-v1.bookinfo~bookinfo.svc.cluster.local',
      cluster: 'productpage.bookinfo',
    },
    dynamic_resources: {
      ...{ cds_config: source, lds_config: source },
      ads_config: {
        ...{ api_type: 'DELTA_GRPC', transport_api_version: 'V3' },
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
    },
    static_resources: { clusters: [control('sds-grpc'), control('xds-grpc')] },
    bootstrap_extensions: [{ name: 'internal', typed_config: { '@type': `type.googleapis.com/${INTERNAL}` } }],
  };
  const report = new Report();
  const made = fromJson(registry.message('envoy.config.bootstrap.v3.Bootstrap'), json, report);
  assert.deepEqual(report.problems, []);
  return made as Bootstrap;
}

/** Whatever path is named, the lines go to one file of the test's folder. */
class OneLog extends AccessLogFiles {
  folder = '';
  override open(): ReturnType<AccessLogFiles['open']> {
    return super.open(join(this.folder, 'access.log'));
  }
}

export class ApplyRig {
  readonly isDelta: boolean;
  readonly core: Core;
  readonly decoded: Decoded;
  readonly worker: Worker;
  /** By the key of their place. */
  readonly channels = new Map<string, FakeChannel>();
  /** What was thrown where nothing may be, and other complaints at the level of errors. */
  readonly problems: string[] = [];
  #nonce = 0;

  constructor(folder: string, seed: number, isDelta: boolean) {
    this.isDelta = isDelta;
    const clock = new Clock({ manual: true });
    const logs = LogRegistry.open({ level: 'error', clock, write: (line) => void this.problems.push(line) });
    assert.ok(typeof logs !== 'string');
    const options = DEFAULT_PROXY_OPTIONS;
    const random = new Random(seed);
    const parts: CoreParts = {
      ...{ options, logs, variables: Object.create(null), version: '1.0.0', clock, random },
      makeEngine: (engineOptions) => createMemoryEngine(engineOptions),
    };
    const made = makeCore(parts);
    const accessLogs = new OneLog({ clock, store: made.stats, flushIntervalMs: 1_000_000_000 });
    accessLogs.folder = folder;
    this.core = { ...made, accessLogs };
    const decoded = decodeProxy(parts, this.core, bootstrap());
    if ('error' in decoded) throw new Error(decoded.error);
    this.decoded = decoded;
    const { engine, stats, runtime, seams } = this.core;
    const { transports, clusters } = decoded;
    const drain = new DrainManager(clock, random, 'immediate', 1_000);
    this.worker = new Worker({ engine, clock, random, stats, runtime, drain, seams, transports }, clusters);
    const crew = new LocalCrew(this.core, this.worker, decoded);
    const problem = this.worker.start(decoded.config);
    assert.equal(problem, null);
    const muxOptions = {
      isDelta,
      setsNodeOnFirstOnly: true,
      rateLimit: null,
      method: '',
      destination: '',
      counts: null,
    };
    const controller = new XdsController({
      ...{ clock, crew, dynamic: decoded.config.dynamic, runtimeLayers: [], keptTypes: [] },
      record: decoded.holders.record,
      tookKept: (_type, _bytes, done) => done(null),
      ...{ tookRuntime: () => {}, countsFor: () => NO_COUNTS, warn: () => {} },
      openSource: ({ key }) =>
        new XdsMux({ clock, log: () => {}, node: () => ({}) }, muxOptions, (handler) => {
          const channel = new FakeChannel(handler);
          this.channels.set(key, channel);
          return channel;
        }),
    });
    controller.start();
  }

  /** Resources in force and refused, by name; of all places. */
  record(type: string): Map<string, RecordedResource> {
    return new Map([...this.decoded.holders.record.of(type)].map((resource) => [resource.name, resource]));
  }

  /** What a type is asked for with: names, or '*'. */
  async send(type: string, resources: Resources, removed: readonly string[] = []): Promise<void> {
    for (const channel of this.channels.values()) {
      if (!channel.isOpen) channel.open();
    }
    await this.settle();
    this.receive(this.response(type, resources, removed));
    await this.settle();
  }

  /** The bytes of a response. */
  response(type: string, resources: Resources, removed: readonly string[] = []): Uint8Array {
    const nonce = `n${++this.#nonce}`;
    const type_url = typeUrlOf(type);
    if (!this.isDelta) {
      const list = [...resources.values()].map((value) => ({ type_url, value }));
      const message = { version_info: nonce, type_url, nonce, resources: list };
      return encodeBinary(registry.message('envoy.service.discovery.v3.DiscoveryResponse'), message);
    }
    const list = [...resources].map(([name, value]) => ({ name, version: nonce, resource: { type_url, value } }));
    const message = { type_url, nonce, resources: list, removed_resources: [...removed] };
    return encodeBinary(registry.message('envoy.service.discovery.v3.DeltaDiscoveryResponse'), message);
  }

  /** On all streams, as the gRPC call reads it; what is no message ends them. */
  receive(bytes: Uint8Array): void {
    const form = this.isDelta ? 'DeltaDiscoveryResponse' : 'DiscoveryResponse';
    for (const channel of [...this.channels.values()]) {
      this.core.engine.run(() => {
        const message = decodeBinary(registry.message(`envoy.service.discovery.v3.${form}`), bytes);
        if (message !== undefined) {
          channel.handler.onMessage(message);
          return;
        }
        channel.close(13, '');
        channel.open();
      });
    }
  }

  /** Until nothing is on its way: all that was sent is answered. */
  async settle(): Promise<void> {
    const { clock } = this.core;
    let quiet = 0;
    let sent = -1;
    for (let turns = 0; turns < MAX_TURNS; turns++) {
      await new Promise<void>((resolve) => clock.defer(resolve));
      const now = [...this.channels.values()].reduce((sum, channel) => sum + channel.sent.length, 0);
      quiet = now === sent ? quiet + 1 : 0;
      sent = now;
      if (quiet >= 6) return;
    }
    assert.fail('it goes on and on');
  }

  /** Time goes by: names that nobody resolves are given up. */
  async advance(ms: number): Promise<void> {
    this.core.clock.advance(ms);
    for (let i = 0; i < 20; i++) this.core.engine.run(() => undefined);
    await this.settle();
  }

  /** Requests that were sent since the last call. */
  takeRequests(): FakeChannel['sent'] {
    const requests: FakeChannel['sent'] = [];
    for (const channel of this.channels.values()) requests.push(...channel.sent.splice(0));
    return requests;
  }

  /** First line of what a port answers; '' when nothing comes. */
  ask(port: number, text: string): string {
    const { engine } = this.core;
    let answer = '';
    const handler: ByteStreamHandler = {
      onData: (chunk, start, end) => {
        answer += chunk.latin1Slice(start, end);
      },
      onEnd() {},
      onDrain() {},
      onClose() {},
    };
    let client: ByteStream | null = null;
    engine.run(() => {
      engine.connect({ family: 'ipv4', address: '127.0.0.1', port }, {}, (dialled) => {
        if (dialled === null) return;
        client = dialled;
        dialled.handler = handler;
        dialled.writeLatin1(text);
      });
    });
    for (let i = 0; i < 20; i++) engine.run(() => undefined);
    engine.run(() => (client as ByteStream | null)?.destroy(true));
    for (let i = 0; i < 5; i++) engine.run(() => undefined);
    return answer.split('\r\n')[0] ?? '';
  }
}
