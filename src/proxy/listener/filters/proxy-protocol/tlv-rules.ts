// What becomes of the entries (TLVs) of a PROXY header: metadata, filter state, or the next proxy's header.
import { isUtf8 } from 'node:buffer';
import type { ProxyHeader } from '../../../../wire/proxy-protocol.ts';
import { writeProxyHeader } from '../../../../wire/proxy-protocol-writer.ts';
import type { AcceptedSocket } from '../../filter.ts';
import { addMetadata } from '../socket-metadata.ts';

const DEFAULT_NAMESPACE = 'envoy.filters.listener.proxy_protocol';
/** Filter state in Envoy's names: the entries that rules chose, and all that an upstream PROXY header is made of. */
const TLV_STATE = 'envoy.network.proxy_protocol.tlv';
const HEADER_STATE = 'envoy.network.proxy_protocol_options';
const EXCLAMATION_MARK = 0x21;

export type TlvRulePb = {
  tlv_type?: number;
  on_tlv_present?: { metadata_namespace?: string; key?: string; value_string_encoding?: string | number };
};

export type PassThroughPb = { match_type?: string | number; tlv_type?: readonly number[] };

type TlvRule = { readonly namespace: string; readonly key: string; readonly isBase64: boolean };

export type TlvRules = {
  readonly byType: ReadonlyMap<number, TlvRule>;
  readonly intoFilterState: boolean;
  /** Which types are passed on; null: all. */
  readonly passedOn: ReadonlySet<number> | null;
};

export function decodeTlvRules(
  rules: readonly TlvRulePb[] | undefined,
  intoFilterState: boolean,
  passThrough: PassThroughPb | undefined,
): TlvRules {
  const byType = new Map<number, TlvRule>();
  for (const { tlv_type: type = 0, on_tlv_present: pair } of rules ?? []) {
    byType.set(type, {
      namespace: pair?.metadata_namespace || DEFAULT_NAMESPACE,
      key: pair?.key ?? '',
      isBase64: pair?.value_string_encoding === 'BASE64',
    });
  }
  // INCLUDE_ALL is the enum's first value: a message without it has it.
  const passesAll = passThrough !== undefined && passThrough.match_type !== 'INCLUDE';
  return Object.freeze({ byType, intoFilterState, passedOn: passesAll ? null : new Set(passThrough?.tlv_type ?? []) });
}

/** `bytes` are those that the header was read from. */
export function tellTlvs(socket: AcceptedSocket, header: ProxyHeader, bytes: Buffer, rules: TlvRules): void {
  const chosen = new Map<string, string>();
  const passedOn: [number, Buffer][] = [];
  for (const [type, start, end] of header.tlvs) {
    const rule = rules.byType.get(type);
    if (rule !== undefined) {
      const value = bytes.subarray(start, end);
      const text = rule.isBase64 ? value.toString('base64') : readableText(value);
      if (rules.intoFilterState) chosen.set(rule.key, text);
      else addOnce(socket, rule, text);
    }
    if (rules.passedOn === null || rules.passedOn.has(type)) {
      passedOn.push([type, Buffer.from(bytes.subarray(start, end))]);
    }
  }
  socket.filterState ??= new Map();
  if (chosen.size > 0) socket.filterState.set(TLV_STATE, tlvState(chosen));
  if (!socket.filterState.has(HEADER_STATE)) {
    const source = header.source ?? socket.remoteAddress;
    const destination = header.destination ?? socket.localAddress;
    socket.filterState.set(HEADER_STATE, {
      get value() {
        return writeProxyHeader(source, destination, passedOn).latin1Slice();
      },
      typed: null,
      isOpaque: true,
      isReadOnly: false,
      lifeSpan: 'connection',
    });
  }
}

/** Of several entries of one type the first counts, as in Envoy. */
function addOnce(socket: AcceptedSocket, rule: TlvRule, text: string): void {
  const known = socket.dynamicMetadata?.get(rule.namespace);
  if (known === undefined || !Object.hasOwn(known, rule.key)) addMetadata(socket, rule.namespace, rule.key, text);
}

function tlvState(chosen: ReadonlyMap<string, string>) {
  const values = Object.fromEntries([...chosen].sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    value: JSON.stringify(values),
    typed: values,
    fields: values,
    isReadOnly: true,
    lifeSpan: 'connection',
  } as const;
}

/**
 * UTF-8 as bytes, one per char code, in which each byte that belongs to no character is a '!'.
 * Source: Envoy MessageUtil::sanitizeUtf8String.
 */
function readableText(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.latin1Slice();
  const text = Buffer.from(bytes);
  for (let at = 0; at < text.length; ) {
    const length = characterBytes(text, at);
    if (length === 0) text[at] = EXCLAMATION_MARK;
    at += Math.max(length, 1);
  }
  return text.latin1Slice();
}

/** Bytes of the character that begins there; 0 when none does. */
function characterBytes(bytes: Buffer, at: number): number {
  const first = bytes[at] as number;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}
