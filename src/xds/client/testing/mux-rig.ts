// For tests: the protocol over a channel that the test opens, closes and speaks on by hand, and a listener that notes.
import { Clock } from '../../../base/clock.ts';
import type { Failure } from '../../../base/failure.ts';
import type { Any } from '../../../proto/any.ts';
import { decodeBinary } from '../../../proto/binary-decode.ts';
import { encodeBinary } from '../../../proto/binary-encode.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
  Resource,
} from '../../../proto/generated/types.d.ts';
import { registry } from '../../../proto/registry.ts';
import { typeUrlOf } from '../../../proto/type-url.ts';
import type { XdsChannel, XdsChannelHandler } from '../channel.ts';
import { type MuxOptions, XdsMux } from '../mux.ts';
import type { StreamCounts, UpdateCounts, XdsListener, XdsRefusal, XdsResponse } from '../types.ts';

const turns = new Clock({ manual: true });

/** Lets everything run that was put off. */
export async function tick(count = 2): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => turns.defer(resolve));
}

export class FakeChannel implements XdsChannel {
  readonly handler: XdsChannelHandler;
  isStarted = false;
  isOpen = false;
  isAboveWatermark = false;
  pauses = 0;
  sent: (DiscoveryRequest & DeltaDiscoveryRequest)[] = [];

  constructor(handler: XdsChannelHandler) {
    this.handler = handler;
  }
  start(): void {
    this.isStarted = true;
  }
  send(message: unknown): boolean {
    this.sent.push(message as DiscoveryRequest & DeltaDiscoveryRequest);
    return true;
  }
  pauseReading(): void {
    this.pauses++;
  }
  resumeReading(): void {
    this.pauses--;
  }
  stop(): void {
    this.isOpen = false;
  }
  open(): void {
    this.isOpen = true;
    this.handler.onOpen();
  }
  close(status: number, message: string): void {
    this.isOpen = false;
    this.handler.onClose(status, message);
  }
}

/** Takes responses on at once, unless it is told to wait. */
export class Listener implements XdsListener {
  readonly log: string[] = [];
  readonly responses: XdsResponse[] = [];
  isSlow = false;
  /** Of the next responses. */
  refuse: readonly XdsRefusal[] = [];
  onUpdate: (response: XdsResponse) => void = () => {};
  done: ((refused: readonly XdsRefusal[]) => void)[] = [];

  onResponse(response: XdsResponse, done: (refused: readonly XdsRefusal[]) => void): void {
    const { version, resources, removed, isComplete } = response;
    this.responses.push(response);
    const names = resources.map(({ name }) => name).join(' ');
    const gone = removed.length === 0 ? '' : ` without [${removed.join(' ')}]`;
    this.log.push(`${version} ${isComplete ? 'all of ' : ''}[${names}]${gone}`);
    this.onUpdate(response);
    if (this.isSlow) this.done.push(done);
    else done(this.refuse);
  }
  onFetchTimeout(names: readonly string[]): void {
    this.log.push(`timeout of ${names.join(' ')}`);
  }
  onConnection(failure: Failure | null): void {
    this.log.push(failure === null ? 'stands' : `failed: ${failure.detail}`);
  }
}

export class FakeStreamCounts implements StreamCounts {
  readonly log: string[] = [];
  connected(isConnected: boolean): void {
    this.log.push(`connected ${isConnected}`);
  }
  rateLimited(): void {
    this.log.push('rate limited');
  }
  pending(requests: number): void {
    if (requests > 0) this.log.push(`pending ${requests}`);
  }
  identifier(controlPlane: string): void {
    this.log.push(`from ${controlPlane}`);
  }
  release(): void {
    this.log.push('released');
  }
}

export class FakeUpdateCounts implements UpdateCounts {
  readonly log: string[] = [];
  readonly stream: FakeStreamCounts | null;
  constructor(stream: FakeStreamCounts | null = null) {
    this.stream = stream;
  }
  attempted(): void {
    this.log.push('attempt');
  }
  succeeded(version: string, durationMs: number): void {
    this.log.push(`success ${version} ${durationMs}`);
  }
  failed(): void {
    this.log.push('failure');
  }
  rejected(): void {
    this.log.push('rejected');
  }
  timedOut(): void {
    this.log.push('timeout');
  }
  release(): void {
    this.log.push('released');
    this.stream?.release();
  }
}

/** A resource with a name and nothing else; of endpoints the name is that of their cluster. */
export function named(type: string, name: string, field = 'name'): Any {
  const value = encodeBinary(registry.message(type), { [field]: name } as never);
  return { type_url: typeUrlOf(type), value };
}

/** Wrapped, as state of the world may and delta must. */
export function wrapped(resource: Resource): Any {
  const type = 'envoy.service.discovery.v3.Resource';
  return { type_url: typeUrlOf(type), value: encodeBinary(registry.message(type), resource) };
}

export class MuxRig {
  readonly clock = new Clock({ manual: true });
  readonly lines: string[] = [];
  readonly mux: XdsMux;
  channel!: FakeChannel;
  #shown = 0;

  constructor(isDelta: boolean, options: Partial<MuxOptions> = {}) {
    const parts = {
      clock: this.clock,
      log: (level: string, text: string) => void this.lines.push(`${level}: ${text}`),
      node: () => ({ id: 'node' }),
    };
    const all: MuxOptions = {
      ...{ isDelta, setsNodeOnFirstOnly: true, rateLimit: null, method: 'Stream', destination: 'xds', counts: null },
      ...options,
    };
    this.mux = new XdsMux(parts, all, (handler) => {
      this.channel = new FakeChannel(handler);
      return this.channel;
    });
  }

  sotw(type: string, version: string, nonce: string, resources: Any[], more: Partial<DiscoveryResponse> = {}): void {
    const message = { version_info: version, type_url: typeUrlOf(type), nonce, resources, ...more };
    this.channel.handler.onMessage(viaWire('DiscoveryResponse', message));
  }

  delta(type: string, nonce: string, resources: Resource[], more: Partial<DeltaDiscoveryResponse> = {}): void {
    const message = { system_version_info: `s${nonce}`, type_url: typeUrlOf(type), nonce, resources, ...more };
    this.channel.handler.onMessage(viaWire('DeltaDiscoveryResponse', message));
  }

  /** Requests since this was asked last. */
  sent(): string[] {
    const since = this.channel.sent.slice(this.#shown);
    this.#shown = this.channel.sent.length;
    return since.map(shown);
  }
}

function viaWire(name: string, message: object): unknown {
  const type = registry.message(`envoy.service.discovery.v3.${name}`);
  return decodeBinary(type, encodeBinary(type, message as never));
}

/** 'Cluster v1 n1 [a b] +[c] -[d] has [a=1] node NACK text' */
function shown(request: DiscoveryRequest & DeltaDiscoveryRequest): string {
  const type = request.type_url ?? '';
  const parts = [type.slice(type.lastIndexOf('.') + 1)];
  if (request.version_info !== undefined) parts.push(`v${request.version_info}`);
  if (request.response_nonce !== undefined) parts.push(request.response_nonce);
  const lists = { '': request.resource_names, '+': request.resource_names_subscribe };
  for (const [sign, list] of Object.entries({ ...lists, '-': request.resource_names_unsubscribe })) {
    if (list !== undefined) parts.push(`${sign}[${list.join(' ')}]`);
  }
  const has = Object.entries(request.initial_resource_versions ?? {}).map(([name, version]) => `${name}=${version}`);
  if (has.length > 0) parts.push(`has [${has.join(' ')}]`);
  if (request.node !== undefined) parts.push('node');
  if (request.error_detail !== undefined)
    parts.push(`NACK ${request.error_detail.code} ${request.error_detail.message}`);
  return parts.join(' ');
}
