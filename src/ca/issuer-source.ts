// Where the authority's issuer comes from at the start: roots of its own making in a directory, or what is plugged in.
import type { Logger } from '../telemetry/log.ts';
import type { Secret } from '../base/secret.ts';
import type { KeyKind } from './signing/algorithms.ts';
import { type Issuer, makeRoot } from './signing/issuer.ts';
import { type PluggedIn, readPluggedIn } from './storage/plugged-in.ts';
import { RootStore } from './storage/root-store.ts';
import { type Announced, Trust } from './trust.ts';

export type SelfMade = {
  readonly kind: 'self-made';
  readonly store: RootStore;
  make(trustDomain: string, nowMs: number): Promise<Issuer>;
};

export type Plugged = {
  readonly kind: 'plugged-in';
  readonly from: PluggedIn;
  readonly passphrase: Secret | null;
  /** Keeps roots of before (never the operator's key) across restarts; null: nowhere. */
  readonly store: RootStore | null;
};

export type IssuerSource = SelfMade | Plugged;

/** As Istio's self-signed roots. */
const ROOT_LIFE_MS = 10 * 365 * 86_400_000;
/** Clocks differ. */
const ROOT_BACK_DATED_MS = 3_600_000;

/** Roots made here and kept in `directory`, their keys encrypted where a passphrase is given. */
export function selfMade(
  directory: string,
  passphrase: Secret | null,
  { keyKind = 'p256', lifeMs = ROOT_LIFE_MS }: { readonly keyKind?: KeyKind; readonly lifeMs?: number } = {},
): SelfMade {
  return {
    kind: 'self-made',
    store: new RootStore(directory, passphrase),
    make: (trustDomain, nowMs) =>
      makeRoot({
        trustDomain,
        // Two roots of one name would make clients try both.
        commonName: `Heddle root ${new Date(nowMs).toISOString()}`,
        keyKind,
        fromMs: nowMs - ROOT_BACK_DATED_MS,
        toMs: nowMs + lifeMs,
      }),
  };
}

export type OpenOptions = {
  readonly trustDomain: string;
  readonly nowMs: number;
  readonly maxLifeMs: number;
  readonly log: Pick<Logger, 'write'>;
};

/** A text says why there is no issuer. */
export function openTrust(source: IssuerSource, options: OpenOptions): Promise<Trust | string> {
  return source.kind === 'self-made' ? openSelfMade(source, options) : openPlugged(source, options);
}

async function openSelfMade(
  { store, make }: SelfMade,
  { trustDomain, nowMs, log }: OpenOptions,
): Promise<Trust | string> {
  const record = store.record();
  if (typeof record === 'string') return record;
  if (record === null) {
    const issuer = await make(trustDomain, nowMs);
    await store.saveRoot(issuer);
    log.write('info', `made a root of the mesh's own in ${store.directory}`);
    return new Trust(issuer);
  }
  const signing = await store.root(record.signing);
  if (typeof signing === 'string') return signing;
  let next: Announced | null = null;
  if (record.next !== null) {
    const issuer = await store.root(record.next);
    if (typeof issuer === 'string') return issuer;
    // Nobody is connected yet: proxies get their time again.
    next = { issuer, sinceMs: nowMs };
  }
  return new Trust(signing, next, record.retiring);
}

async function openPlugged({ from, passphrase, store }: Plugged, options: OpenOptions): Promise<Trust | string> {
  const { nowMs, maxLifeMs, log } = options;
  const issuer = await readPluggedIn(from, passphrase, nowMs);
  if (typeof issuer === 'string') return issuer;
  const record = store?.record() ?? null;
  if (typeof record === 'string') return record;
  const trust = new Trust(issuer, null, record?.retiring ?? []);
  const before = (record?.signingRoots ?? []).filter((root) => !issuer.roots.includes(root));
  if (before.length === 0) return trust;
  trust.keep(before, nowMs + maxLifeMs);
  log.write(
    'warning',
    `${from.name} was replaced while nobody ran: its root signs at once, and proxies learn of it only as they come`,
  );
  return trust;
}
