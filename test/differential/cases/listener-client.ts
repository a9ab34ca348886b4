// What the tables of listener filters share: listeners of named chains, a log of all that filters tell, and pieces.
import type { Case, ClientStep, Observation } from '../case.ts';
import { address, filter, textLog } from '../config.ts';
import type { Fields } from '../config.ts';
import { namedChain } from './chain-match-client.ts';

const PACKAGE = 'envoy.extensions.filters.listener';
const TYPES = {
  tls_inspector: 'tls_inspector.v3.TlsInspector',
  http_inspector: 'http_inspector.v3.HttpInspector',
  proxy_protocol: 'proxy_protocol.v3.ProxyProtocol',
  original_dst: 'original_dst.v3.OriginalDst',
  original_src: 'original_src.v3.OriginalSrc',
  local_ratelimit: 'local_ratelimit.v3.LocalRateLimit',
} as const;

export function listenerFilter(name: keyof typeof TYPES, fields: Fields = {}, around: Fields = {}): Fields {
  return filter(`envoy.filters.listener.${name}`, `${PACKAGE}.${TYPES[name]}`, fields, around);
}

const LOG =
  'remote=%DOWNSTREAM_REMOTE_ADDRESS% direct=%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% local=%DOWNSTREAM_LOCAL_ADDRESS% ' +
  'directlocal=%DOWNSTREAM_DIRECT_LOCAL_ADDRESS% sni=%REQUESTED_SERVER_NAME% ja3=%TLS_JA3_FINGERPRINT% ' +
  'ja4=%TLS_JA4_FINGERPRINT% failure=%DOWNSTREAM_TRANSPORT_FAILURE_REASON% flags=%RESPONSE_FLAGS% ' +
  'details=%RESPONSE_CODE_DETAILS% chain=%FILTER_CHAIN_NAME% ' +
  'tls=%DYNAMIC_METADATA(envoy.filters.listener.tls_inspector)% ' +
  'proxy=%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol)% ns=%DYNAMIC_METADATA(ns)% ' +
  'tlv=%FILTER_STATE(envoy.network.proxy_protocol.tlv:PLAIN)% ' +
  'two=%FILTER_STATE(envoy.network.proxy_protocol.tlv:FIELD:two)% ' +
  'options=%FILTER_STATE(envoy.network.proxy_protocol_options)%\n';

/** A listener whose chains answer with their names and which logs what the filters told of each connection. */
export function watchedListener(
  name: string,
  filters: readonly Fields[],
  chains: readonly Fields[] = [namedChain('only')],
  around: Fields = {},
): Fields {
  return {
    name,
    address: address(`listen.${name}`),
    stat_prefix: name,
    access_log: [textLog(LOG)],
    listener_filters: filters,
    filter_chains: chains,
    ...around,
  };
}

/** Chains for each thing that an inspector may find; the first that a rule of the matching order prefers answers. */
export const INSPECTED_CHAINS: readonly Fields[] = [
  namedChain('tls', { transport_protocol: 'tls' }),
  namedChain('tls-h2', { transport_protocol: 'tls', application_protocols: ['h2'] }),
  namedChain('tls-named', { transport_protocol: 'tls', server_names: ['named.example'] }),
  namedChain('http/1.0', { application_protocols: ['http/1.0'] }),
  namedChain('http/1.1', { application_protocols: ['http/1.1'] }),
  namedChain('h2c', { application_protocols: ['h2c'] }),
  namedChain('any'),
];

const STATS = [
  '^(tls_inspector|http_inspector)\\.[a-z0-9_]+$',
  '^proxy_proto\\.|^downstream_cx_proxy_proto_error$|^listener_local_ratelimit\\.',
  '^listener\\.[^.]+\\.downstream_(pre_cx_timeout|pre_cx_active|listener_filter_.*)$',
];

/**
 * Whether a FIN or an RST ends an answered connection is chance: the chain closes with bytes unread. So is the order of
 * the entries in filter state: Envoy hashes them with a seed of its process.
 */
function withoutChance(observation: Observation): unknown {
  const clients = observation.clients.map(({ rest, fate, timedOut }) => ({
    rest,
    fate: rest === '' ? fate : 'answered',
    timedOut,
  }));
  const log = observation.log.map((line) => line.replace(/(?<= tlv=)\{.*\}(?= two=)/, sortedJson));
  return { clients, log, stats: observation.stats };
}

function sortedJson(text: string): string {
  const entries = Object.entries(JSON.parse(text) as Record<string, string>);
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Sends the bytes at once and waits for the end of the connection. */
export function bytesCase(name: string, to: string, bytes: Buffer | string, more: Partial<Case> = {}): Case {
  return piecesCase(name, to, [bytes], more);
}

/** Sends pieces so far apart that they arrive one by one, then waits for the end of the connection. */
export function piecesCase(
  name: string,
  to: string,
  pieces: readonly (Buffer | string)[],
  more: Partial<Case> = {},
): Case {
  const steps = pieces.flatMap((piece, i): ClientStep[] => {
    const text = typeof piece === 'string' ? piece : piece.toString('latin1');
    return i === 0 ? [text] : [{ wait: 3 }, text];
  });
  return { name, to, send: [...steps, 'read-close'], stats: STATS, settleMs: 5, view: withoutChance, ...more };
}

/** The filters wait for more; after a while the client goes. */
export function waitingCase(name: string, to: string, bytes: Buffer | string, leave: ClientStep = 'half-close'): Case {
  const text = typeof bytes === 'string' ? bytes : bytes.toString('latin1');
  const steps: ClientStep[] = text === '' ? [] : [text];
  return {
    name,
    to,
    send: [...steps, { wait: 30 }, leave, { wait: 20 }],
    stats: STATS,
    settleMs: 20,
    view: withoutChance,
  };
}

export function inSingleBytes(bytes: Buffer | string): string[] {
  return [...(typeof bytes === 'string' ? bytes : bytes.toString('latin1'))];
}
