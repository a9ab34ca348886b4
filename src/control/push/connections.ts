// The table of connected proxies, for people and for the pages that istioctl reads.
import type { Address } from '../../base/byte-stream.ts';
import type { XdsStream } from '../../xds/server/stream.ts';
import { shortType } from './metrics.ts';

/** As istioctl proxy-status calls it. */
export type TypeStatus = 'SYNCED' | 'STALE' | 'NOT SENT' | 'ERROR';

export type ConnectionType = {
  readonly type: string;
  readonly typeUrl: string;
  /** Of what the client is served now. */
  readonly version: string;
  /** Names subscribed to; −1: everything. */
  readonly names: number;
  /** Responses so far are numbered by stream: the last one of this type, 0 for none. */
  readonly nonce: number;
  readonly status: TypeStatus;
  readonly refused: readonly { readonly name: string; readonly message: string }[];
};

export type ConnectionRow = {
  readonly proxy: string;
  readonly node: string;
  readonly form: 'delta' | 'sotw';
  readonly address: Address;
  readonly connectedMs: number;
  readonly types: readonly ConnectionType[];
};

export function connectionRows(streams: Iterable<XdsStream>, nowMs: number): readonly ConnectionRow[] {
  return Array.from(streams, (stream) => ({
    proxy: stream.label,
    node: stream.node.id ?? '',
    form: stream.isDelta ? ('delta' as const) : ('sotw' as const),
    address: stream.call.remoteAddress,
    connectedMs: nowMs - stream.openedMs,
    types: stream.types.map((type) => ({
      type: shortType(type.typeUrl),
      typeUrl: type.typeUrl,
      version: type.version,
      names: type.subscription.isWildcard ? -1 : type.subscription.size,
      nonce: type.nonce,
      status: typeStatus(type),
      refused: Array.from(type.refused?.values() ?? [], ({ name, message }) => ({ name, message })),
    })),
  }));
}

export function typeStatus(type: XdsStream['types'][number]): TypeStatus {
  if (type.refused !== null) return 'ERROR';
  if (type.isCurrent) return 'SYNCED';
  return type.nonce === 0 ? 'NOT SENT' : 'STALE';
}
