// Tells an upstream in a PROXY header who connected, before the first byte of the connection, encrypted or not.
import type { Address, ByteStream, ByteStreamHandler } from '../../base/byte-stream.ts';
import { failure } from '../../base/failure.ts';
import type { ProxyProtocolConfig } from '../../proto/generated/types.d.ts';
import type { ScopeOf } from '../../telemetry/metrics.ts';
import { readProxyHeader } from '../../wire/proxy-protocol.ts';
import { writeProxyHeader, writeProxyHeaderV1 } from '../../wire/proxy-protocol-writer.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { ConnectionInfo } from '../stream-info.ts';
import { decodeUpstreamTransport, TRANSPORT_SOCKET_FIELDS } from './decode-transport.ts';
import type {
  PendingTransport,
  TransportCallback,
  TransportConfig,
  TransportContext,
  TransportWishes,
  UpstreamTarget,
  UpstreamTransport,
  UpstreamTransportFactory,
} from './transport.ts';
import { isSecureTransport } from './transport.ts';

/** What the listener filter read; bytes of a header of version 2. */
const HEADER_STATE = 'envoy.network.proxy_protocol_options';
/** Of addresses and list together: their length has 16 bits. */
const MAX_REST_BYTES = 65_535;
const ANY_VERSION = { allowsV1: true, allowsV2: true, allowsNone: false };

const STATS = { v2_tlvs_exceed_max_length: 'counter' } as const;

type Tlv = readonly [type: number, value: Uint8Array];
type Told = { readonly source: Address; readonly destination: Address; readonly tlvs: readonly Tlv[] };

type ProxyProtocolMessage = {
  config?: ProxyProtocolConfig;
  transport_socket?: { typed_config?: unknown };
  allow_unspecified_address?: boolean;
  tlv_as_pool_key?: boolean;
};

export type UpstreamProxyProtocolConfig = {
  readonly version: 1 | 2;
  readonly added: readonly Tlv[];
  /** Types of entries that go on; null for all. */
  readonly passed: ReadonlySet<number> | null;
  readonly tlvsAreKey: boolean;
  readonly inner: TransportConfig<UpstreamTransport> | null;
};

function decode(message: ProxyProtocolMessage, d: ConfigDecoder): UpstreamProxyProtocolConfig {
  const config = message.config ?? {};
  const dc = d.at('config');
  const added: Tlv[] = [];
  for (const [i, entry] of (config.added_tlvs ?? []).entries()) {
    if (entry.format_string !== undefined) dc.at('added_tlvs', i).reject('format_string', 'is not supported yet');
    added.push([entry.type ?? 0, entry.value ?? new Uint8Array(0)]);
  }
  const pass = config.pass_through_tlvs;
  if (message.transport_socket === undefined) d.reject('transport_socket', 'is required');
  return Object.freeze({
    version: (config.version ?? 'V1') === 'V1' ? 1 : 2,
    added,
    passed:
      pass !== undefined && (pass.match_type ?? 'INCLUDE_ALL') === 'INCLUDE_ALL' ? null : passedTypes(pass?.tlv_type),
    tlvsAreKey: message.tlv_as_pool_key === true,
    inner: decodeUpstreamTransport(message.transport_socket, d.at('transport_socket')),
  });
}

function passedTypes(types: readonly number[] | undefined): ReadonlySet<number> {
  return new Set(types ?? []);
}

class UpstreamProxyProtocol implements UpstreamTransport {
  readonly needsConnection = true;
  readonly #config: UpstreamProxyProtocolConfig;
  readonly #inner: UpstreamTransport | null;
  readonly #stats: ScopeOf<typeof STATS>;

  constructor(config: UpstreamProxyProtocolConfig, context: TransportContext) {
    const { inner } = config;
    this.#config = config;
    this.#inner = inner === null ? null : inner.factory.create(inner.config as never, context);
    this.#stats = context.stats.scope(`${context.statPrefix}upstream.proxyprotocol.`, STATS);
  }

  whenSettled(settled: () => void): void {
    if (this.#inner === null) settled();
    else this.#inner.whenSettled(settled);
  }

  close(): void {
    this.#inner?.close();
    this.#stats.release();
  }

  /** Source: Envoy UpstreamProxyProtocolSocketFactory::hashKey. */
  keyOf(wishes: TransportWishes): string {
    const inner = this.#inner?.keyOf(wishes) ?? '';
    if (wishes.connection === null) return inner;
    const { source, destination, tlvs } = toldOf(wishes.connection);
    const key = `${inner} ${textOf(source)} ${textOf(destination)}`;
    if (!this.#config.tlvsAreKey) return key;
    return `${key} ${tlvs.map(([type, value]) => `${type}:${Buffer.from(value).toString('base64')}`).join(' ')}`;
  }

  connect(stream: ByteStream, target: UpstreamTarget, callback: TransportCallback): PendingTransport {
    const sending = new Sending(stream, target, this.#inner, callback);
    sending.start(this.#header(stream, target));
    return sending;
  }

  #header(stream: ByteStream, { connection }: UpstreamTarget): Buffer {
    const { version, added } = this.#config;
    const told = connection === null ? null : toldOf(connection);
    if (version === 1) {
      return writeProxyHeaderV1(told?.source ?? stream.localAddress, told?.destination ?? stream.remoteAddress);
    }
    if (told === null) return writeProxyHeader(UNKNOWN, UNKNOWN);
    const tlvs = [...added, ...this.#passedOn(told.tlvs)];
    const header = writeProxyHeader(told.source, told.destination, tlvs);
    const bytes = tlvs.reduce((sum, [, value]) => sum + 3 + value.length, 0);
    if (bytes > MAX_REST_BYTES - ADDRESS_BYTES[told.source.family]) {
      this.#stats.inc(this.#stats.i.v2_tlvs_exceed_max_length);
    }
    return header;
  }

  /** What is added counts instead of what came of the same type. */
  #passedOn(tlvs: readonly Tlv[]): readonly Tlv[] {
    const { passed, added } = this.#config;
    return tlvs.filter(
      ([type]) => (passed === null || passed.has(type)) && !added.some(([addedType]) => addedType === type),
    );
  }
}

const UNKNOWN: Address = Object.freeze({ family: 'unix', address: '', port: 0 });
const ADDRESS_BYTES = { ipv4: 12, ipv6: 36, unix: 0, internal: 0 } as const;

/** Where a connection came from and went to: as a PROXY header said that it brought, or else as its addresses say. */
function toldOf(connection: ConnectionInfo): Told {
  const state = connection.filterState?.get(HEADER_STATE);
  if (state !== undefined) {
    const bytes = Buffer.from(state.value, 'latin1');
    const header = readProxyHeader(bytes, ANY_VERSION);
    if (header.status === 'found' && header.source !== null && header.destination !== null) {
      const tlvs = header.tlvs.map(([type, start, end]): Tlv => [type, bytes.subarray(start, end)]);
      return { source: header.source, destination: header.destination, tlvs };
    }
  }
  return { source: connection.remoteAddress, destination: connection.localAddress, tlvs: [] };
}

function textOf({ family, address, port }: Address): string {
  return `${family} ${address} ${port}`;
}

//  header queued ─► with the kernel ─► the inner transport's handshake, or done
class Sending implements PendingTransport, ByteStreamHandler {
  readonly #stream: ByteStream;
  readonly #target: UpstreamTarget;
  readonly #inner: UpstreamTransport | null;
  #callback: TransportCallback | null;
  #handshake: PendingTransport | null = null;

  constructor(
    stream: ByteStream,
    target: UpstreamTarget,
    inner: UpstreamTransport | null,
    callback: TransportCallback,
  ) {
    this.#stream = stream;
    this.#target = target;
    this.#inner = inner;
    this.#callback = callback;
    stream.handler = this;
  }

  start(header: Buffer): void {
    const stream = this.#stream;
    // Told of by onDrain once nothing is queued any more; the connection's owner sets its own watermarks later.
    stream.setWatermarks(1);
    stream.pause();
    stream.write(header);
    stream.flush();
    if (stream.bufferedBytes === 0 && !stream.isClosed) this.#sent();
  }

  onData(): void {}
  onEnd(): void {
    this.#stream.destroy();
  }
  onDrain(): void {
    this.#sent();
  }
  onClose(why: ReturnType<typeof failure> | null): void {
    const callback = this.#callback;
    this.#callback = null;
    callback?.(null, failure('connect_failed', 'upstream', 'connection', why?.detail ?? ''));
  }

  #sent(): void {
    const callback = this.#callback;
    if (callback === null || this.#handshake !== null) return;
    this.#stream.resume();
    if (this.#inner === null) {
      this.#callback = null;
      callback(this.#stream, null);
      return;
    }
    this.#handshake = this.#inner.connect(this.#stream, this.#target, (stream, why) => {
      this.#callback = null;
      callback(stream, why);
    });
  }

  cancel(): void {
    if (this.#callback === null) return;
    this.#callback = null;
    if (this.#handshake === null) this.#stream.destroy();
    else this.#handshake.cancel();
  }
}

export const upstreamProxyProtocol: UpstreamTransportFactory = {
  name: 'envoy.transport_sockets.upstream_proxy_protocol',
  configType: 'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport',
  fields: {
    'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport':
      'config transport_socket tlv_as_pool_key',
    'envoy.config.core.v3.ProxyProtocolConfig': 'version pass_through_tlvs added_tlvs',
    'envoy.config.core.v3.ProxyProtocolPassThroughTLVs': 'match_type tlv_type',
    'envoy.config.core.v3.TlvEntry': 'type value',
    ...TRANSPORT_SOCKET_FIELDS,
  },
  decode: (message, d) => decode(message, d),
  isSecure: ({ inner }: { inner: TransportConfig<UpstreamTransport> | null }) => isSecureTransport(inner),
  create: (config, context) => new UpstreamProxyProtocol(config, context),
};
