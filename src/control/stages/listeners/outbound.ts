// The listeners of what workloads call: an entry of a plan is encoded once for all callers that it does not name.
import type { Memo, Reader } from '../../../base/collection.ts';
import type { EncodedResource } from '../../../xds/server/resource.ts';
import { encodeResource } from '../../generate/encode.ts';
import { hasHttp, type OutboundEntry } from '../../generate/listener/outbound/chain.ts';
import {
  fallbackCluster,
  httpProxyListener,
  outboundListener,
  virtualOutbound,
} from '../../generate/listener/outbound/listener.ts';
import { NOBODY, type TraceIdentity } from '../../generate/listener/settings.ts';
import { loopbackAddresses, parseClass, pickClass } from '../../model/proxy.ts';
import { scopeKey } from '../../model/scope.ts';
import { sameResources } from '../endpoint-resources-stage.ts';
import type { Inputs } from '../inputs.ts';
import { meshOf } from '../services-stage.ts';
import {
  LISTENER,
  type ListenerParts,
  type ListMemo,
  type OutboundFacts,
  PLAN_FIELDS,
  samePiece,
  SEPARATOR,
  type SettingsOf,
} from './parts.ts';

type Plans = Memo<ReadonlyMap<string, OutboundEntry>>;
type PieceMemo = Memo<EncodedResource | null>;

/** Keys: a class by `OUTBOUND_FIELDS`, the caller's own address if it is one of the plan's pods, its identity. */
export function outboundMemos(
  inputs: Inputs,
  parts: ListenerParts,
  plans: Plans,
  settingsOf: SettingsOf,
): { readonly shared: ListMemo; readonly http: ListMemo } {
  const { graph } = inputs;
  const fallbacks = graph.memo<string>('fallbacks of scopes', (key, read) =>
    fallbackCluster(read.get(parts.scopes.scopes, key)),
  );
  const pieces = piecesMemo(inputs, plans, fallbacks, settingsOf);
  const virtual = virtualMemo(inputs, fallbacks, settingsOf);
  const httpProxy = httpProxyMemo(inputs, settingsOf);
  const names = { http: namesMemo(inputs, plans, true), other: namesMemo(inputs, plans, false) };
  const line = (read: Reader, key: string, kind: keyof typeof names): EncodedResource[] => {
    const [classText = '', own = '', identity = ''] = key.split(SEPARATOR);
    const facts = parseClass<keyof OutboundFacts>(classText);
    const found: EncodedResource[] = [];
    for (const [name, podAddress] of read.get(names[kind], pickClass(facts, ...PLAN_FIELDS))) {
      if (own !== '' && podAddress === own) continue;
      const piece = read.get(pieces, `${classText}${SEPARATOR}${name}${SEPARATOR}${identity}`);
      if (piece !== null) found.push(piece);
    }
    return found;
  };
  return {
    shared: graph.memo(
      'listeners without HTTP',
      (key, read) => [...line(read, key, 'other'), ...present(read.get(virtual, key.split(SEPARATOR)[0] ?? ''))],
      sameResources,
    ),
    http: graph.memo(
      'listeners with HTTP',
      (key, read) => [...line(read, key, 'http'), ...present(read.get(httpProxy, key))],
      sameResources,
    ),
  };
}

/** Names and pods of a plan's listeners: callers are many, and a new listener of the other sort is none of theirs. */
function namesMemo(inputs: Inputs, plans: Plans, wantsHttp: boolean): Memo<readonly (readonly [string, string])[]> {
  return inputs.graph.memo(`names of listeners ${wantsHttp ? 'with' : 'without'} HTTP`, (key, read) => {
    const entries = [...read.get(plans, key).values()].filter((entry) => hasHttp(entry) === wantsHttp);
    return entries.map(({ name, podAddress }) => [name, podAddress] as const);
  });
}

function present<T>(value: T | null): T[] {
  return value === null ? [] : [value];
}

function piecesMemo(inputs: Inputs, plans: Plans, fallbacks: Memo<string>, settingsOf: SettingsOf): PieceMemo {
  const { graph } = inputs;
  // One entry of a plan: a plan that changed elsewhere ends here, and nothing is encoded again.
  const entries = graph.memo<OutboundEntry | null>('entries of listener plans', (key, read) => {
    const [plan = '', name = ''] = key.split(SEPARATOR);
    return read.get(plans, plan).get(name) ?? null;
  });
  return graph.memo<EncodedResource | null>(
    'outbound listeners',
    (key, read) => {
      const [classText = '', name = '', identity = ''] = key.split(SEPARATOR);
      const facts = parseClass<keyof OutboundFacts>(classText);
      const entry = read.get(entries, `${pickClass(facts, ...PLAN_FIELDS)}${SEPARATOR}${name}`);
      if (entry === null) return null;
      const fallback = read.get(fallbacks, scopeKey(facts));
      const who = identity === '' ? NOBODY : (JSON.parse(identity) as TraceIdentity);
      return encodeResource(LISTENER, name, outboundListener(entry, fallback, settingsOf(facts, read), who));
    },
    samePiece,
  );
}

function virtualMemo(inputs: Inputs, fallbacks: Memo<string>, settingsOf: SettingsOf): PieceMemo {
  return inputs.graph.memo<EncodedResource | null>(
    'virtual outbound listeners',
    (key, read) => {
      const facts = parseClass<keyof OutboundFacts>(key);
      if (facts.interception === 'NONE') return null;
      const fallback = read.get(fallbacks, scopeKey(facts));
      return encodeResource(LISTENER, 'virtualOutbound', virtualOutbound(facts, fallback, settingsOf(facts, read)));
    },
    samePiece,
  );
}

function httpProxyMemo(inputs: Inputs, settingsOf: SettingsOf): PieceMemo {
  return inputs.graph.memo<EncodedResource | null>(
    'HTTP proxy listeners',
    (key, read) => {
      const [classText = '', , identity = ''] = key.split(SEPARATOR);
      const facts = parseClass<keyof OutboundFacts>(classText);
      const { proxyHttpPort } = meshOf(inputs, read);
      const [bind = ''] = loopbackAddresses(facts.families);
      if (proxyHttpPort === 0) return null;
      const who = JSON.parse(identity) as TraceIdentity;
      const listener = httpProxyListener(bind, proxyHttpPort, settingsOf(facts, read), who);
      return encodeResource(LISTENER, `${bind}_${proxyHttpPort}`, listener);
    },
    samePiece,
  );
}
