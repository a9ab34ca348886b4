// A UDP listener in memory for tests: fake time, clusters that can change, clients and hosts that are only addresses.
import type { Address } from '../../src/base/byte-stream.ts';
import { isListenError, type UdpSocket } from '../../src/net/engine.ts';
import { createMemoryEngine, type MemoryEngine } from '../../src/net/memory-engine.ts';
import type { ClusterEntry } from '../../src/proxy/cluster/cluster-entry.ts';
import type { ClusterConfig, EndpointConfig } from '../../src/proxy/cluster/cluster-config.ts';
import { decodeUdpListener } from '../../src/proxy/config/udp-listener.ts';
import type { ListenerConfig } from '../../src/proxy/listener/listener-config.ts';
import { makeUdpListener, type UdpListener } from '../../src/proxy/udp/udp-listener.ts';
import type { Listener as ListenerPb } from '../../src/proto/generated/types.d.ts';
import { decodeOrThrow } from './filter-harness.ts';
import { clusterConfig, endpoint, RouterHarness } from './router-harness.ts';

const UDP_PROXY = 'envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig';
const LISTENER: Address = { family: 'ipv4', address: '127.0.0.1', port: 5353 };

export function host(port: number, change: Partial<EndpointConfig> = {}): EndpointConfig {
  return endpoint(port, { address: { family: 'ipv4', address: '127.0.0.1', port }, ...change });
}

export function hosts(...endpoints: EndpointConfig[]): ClusterConfig['endpoints'] {
  return { endpoints, overprovisioningFactor: 140 };
}

/** A listener message whose one filter is udp_proxy. */
export function udpListenerMessage(proxy: object, change: object = {}): ListenerPb {
  return {
    listener_filters: [{ name: 'udp', typed_config: { type: UDP_PROXY, message: { stat_prefix: 'u', ...proxy } } }],
    ...change,
  } as unknown as ListenerPb;
}

/** A client or a host: what came, and a way to send. */
export class UdpPeer {
  readonly received: string[] = [];
  readonly from: Address[] = [];
  readonly socket: UdpSocket;
  errors = 0;

  constructor(engine: MemoryEngine, address: Address, answer: string | null = null) {
    const socket = engine.bindUdp(
      address,
      {},
      {
        onDatagram: (chunk, start, end, from) => {
          this.received.push(chunk.latin1Slice(start, end));
          this.from.push(from);
          if (answer !== null) this.send(answer, from);
        },
        onError: () => void this.errors++,
      },
    );
    if (isListenError(socket)) throw new Error(socket.detail);
    this.socket = socket;
  }

  send(text: string, to: Address = LISTENER): void {
    this.socket.send(Buffer.from(text, 'latin1'), 0, text.length, to);
  }
}

export class UdpHarness extends RouterHarness {
  readonly engine: MemoryEngine;
  readonly bugs: unknown[] = [];
  readonly config: ListenerConfig;
  readonly listener: UdpListener;

  constructor(proxy: object, cluster: Partial<ClusterConfig> = {}, change: object = {}) {
    super([clusterConfig({ endpoints: hosts(host(7000)), ...cluster })]);
    const { clock, random, stats, clusters } = this;
    this.engine = createMemoryEngine({ clock, onBug: (error) => void this.bugs.push(error) });
    clock.wrap = (run) => this.engine.run(run);
    const udp = decodeOrThrow((d) => decodeUdpListener(udpListenerMessage(proxy, change), d));
    this.config = {
      name: 'l',
      statPrefix: '',
      addresses: [{ address: LISTENER, ipv4Compat: false, pipeMode: 0, socketOptions: [] }],
      reusePort: false,
      udp,
    } as unknown as ListenerConfig;
    const { engine } = this;
    const context = { engine, clock, random, stats, clusters, seams: { concurrency: 1 }, thread: 'worker_0' };
    this.listener = makeUdpListener(this.config, context);
    const problem = this.listener.start();
    if (problem !== null) throw new Error(problem);
  }

  get cluster(): ClusterEntry {
    const cluster = this.clusters.get('up');
    if (cluster === null) throw new Error('the cluster is gone');
    return cluster;
  }

  peer(port = 0, answer: string | null = null): UdpPeer {
    return new UdpPeer(this.engine, { family: 'ipv4', address: '127.0.0.1', port }, answer);
  }

  /** Sends, and everything that follows of it. */
  say(client: UdpPeer, text: string): void {
    this.engine.run(() => client.send(text));
  }
}
