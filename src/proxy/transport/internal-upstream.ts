// The transport of internal connections: tells the listener of the other end what is known of the host and the client.
import type { ByteStream } from '../../base/byte-stream.ts';
import type { ScopeOf } from '../../telemetry/metrics.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { FilterStateObject } from '../stream-info.ts';
import { decodeUpstreamTransport, TRANSPORT_SOCKET_FIELDS } from './decode-transport.ts';
import { PassedOn } from './passed-on.ts';
import type {
  PendingTransport,
  SharedState,
  TransportCallback,
  TransportConfig,
  TransportContext,
  TransportWishes,
  UpstreamTarget,
  UpstreamTransport,
  UpstreamTransportFactory,
} from './transport.ts';
import { isSecureTransport } from './transport.ts';

const TYPE = 'envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport';

const STATS = { no_metadata: 'counter' } as const;

type Source = { readonly kind: 'host' | 'cluster'; readonly name: string };

type InternalUpstreamConfig = {
  readonly sources: readonly Source[];
  /** Null: raw_buffer. */
  readonly inner: TransportConfig<UpstreamTransport> | null;
};

type SourcePb = { kind?: { host?: object; cluster?: object; request?: object; route?: object }; name?: string };
type InternalUpstreamPb = {
  passthrough_metadata?: readonly SourcePb[];
  transport_socket?: { typed_config?: unknown };
};

function decode(message: InternalUpstreamPb, d: ConfigDecoder): InternalUpstreamConfig {
  const sources: Source[] = [];
  for (const [i, { kind = {}, name = '' }] of (message.passthrough_metadata ?? []).entries()) {
    if (kind.host !== undefined) sources.push({ kind: 'host', name });
    else if (kind.cluster !== undefined) sources.push({ kind: 'cluster', name });
    else d.at('passthrough_metadata', i).reject('kind', 'metadata type is not supported: only host and cluster are');
  }
  const inner = decodeUpstreamTransport(message.transport_socket, d.at('transport_socket'));
  return Object.freeze({ sources: Object.freeze(sources), inner });
}

/** Source: Envoy InternalSocketFactory, InternalSocket. */
class InternalUpstream implements UpstreamTransport {
  readonly passesState = true;
  readonly needsConnection: boolean;
  readonly #sources: readonly Source[];
  readonly #inner: UpstreamTransport | null;
  readonly #stats: ScopeOf<typeof STATS>;

  constructor({ sources, inner }: InternalUpstreamConfig, context: TransportContext) {
    this.#sources = sources;
    this.#inner = inner === null ? null : inner.factory.create(inner.config as never, context);
    this.#stats = context.stats.scope(`${context.statPrefix}internal_upstream.`, STATS);
    this.needsConnection = this.#inner?.needsConnection ?? false;
  }

  whenSettled(settled: () => void): void {
    if (this.#inner === null) settled();
    else this.#inner.whenSettled(settled);
  }

  close(): void {
    this.#inner?.close();
    this.#stats.release();
  }

  keyOf(wishes: TransportWishes): string {
    return this.#inner?.keyOf(wishes) ?? '';
  }

  leaves(target: UpstreamTarget): PassedOn | undefined {
    const metadata = this.#metadata(target);
    const filterState = passedState(target.sharedState);
    return metadata === null && filterState === null ? undefined : new PassedOn(metadata, filterState);
  }

  connect(stream: ByteStream, target: UpstreamTarget, callback: TransportCallback): PendingTransport {
    if (this.#inner !== null) return this.#inner.connect(stream, target, callback);
    callback(stream, null);
    return OVER;
  }

  /** Of two sources of one name the later one counts. */
  #metadata({ hostMetadata, clusterMetadata }: UpstreamTarget): Map<string, Record<string, unknown>> | null {
    let found: Map<string, Record<string, unknown>> | null = null;
    for (const { kind, name } of this.#sources) {
      const values = (kind === 'host' ? hostMetadata : clusterMetadata)?.get(name);
      if (values === undefined) {
        this.#stats.inc(this.#stats.i.no_metadata);
        continue;
      }
      found ??= new Map();
      found.set(name, { ...values });
    }
    return found;
  }
}

/** As the other end has them: of the connection, and marked to go further only where they shall. */
function passedState(shared: SharedState | null): Map<string, FilterStateObject> | null {
  if (shared === null) return null;
  const passed = new Map<string, FilterStateObject>();
  for (const [key, { sharing, ...object }] of shared) {
    passed.set(key, {
      ...object,
      lifeSpan: 'connection',
      ...(sharing === 'transitive' ? { sharing } : undefined),
    });
  }
  return passed;
}

const OVER: PendingTransport = { cancel() {} };

export const internalUpstream: UpstreamTransportFactory = {
  name: 'envoy.transport_sockets.internal_upstream',
  configType: TYPE,
  fields: {
    [TYPE]: 'passthrough_metadata transport_socket',
    [`${TYPE}.MetadataValueSource`]: 'kind name',
    'envoy.type.metadata.v3.MetadataKind': 'request route cluster host',
    'envoy.type.metadata.v3.MetadataKind.Request': '',
    'envoy.type.metadata.v3.MetadataKind.Route': '',
    'envoy.type.metadata.v3.MetadataKind.Cluster': '',
    'envoy.type.metadata.v3.MetadataKind.Host': '',
    ...TRANSPORT_SOCKET_FIELDS,
  },
  decode: (message, d) => decode(message, d),
  isSecure: ({ inner }: { inner: TransportConfig<UpstreamTransport> | null }) => isSecureTransport(inner),
  create: (config, context) => new InternalUpstream(config, context),
};
