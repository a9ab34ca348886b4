// OpenSSL contexts of clients, shared: in a mesh thousands of clusters show one certificate and trust one authority.
import { createHash } from 'node:crypto';
import type { SecureContext } from 'node:tls';
import { makeSecureContext } from '../../net/tls/secure-context.ts';
import type { CertificateSecret, CommonTlsConfig, SecretStore, ValidationSecret } from './tls-config.ts';

export type ClientContext = {
  readonly context: SecureContext;
  /** Its user does not need it any more; what it dialled stays. */
  release(): void;
};

type Shared = { readonly context: SecureContext; users: number };

/** By digest; one table for each worker, whose store of secrets stands for it. */
const tables = new WeakMap<SecretStore, Map<string, Shared>>();

/**
 * The context for these settings, or why OpenSSL refuses them. Names and pins are no part of it: who judges them
 * belongs to each user, and so do sessions.
 */
export function clientContext(
  secrets: SecretStore,
  common: CommonTlsConfig,
  certificates: readonly CertificateSecret[],
  validation: ValidationSecret | null,
): ClientContext | { readonly error: string } {
  const { minVersion, maxVersion, ciphers, curves, signatureAlgorithms } = common;
  const crl = validation?.isCrlForLeafOnly === true ? null : (validation?.crl ?? null);
  const settings = {
    ...{ minVersion, maxVersion, ciphers, curves, signatureAlgorithms },
    ...{ isServer: false, sessionIdContext: '', ticketKeys: [], hasTickets: true, sessionTimeoutS: 0 },
    prefersClientCiphers: true,
  };
  const trustedCa = validation?.trustedCa ?? null;
  const own = certificates.map(({ fingerprint }) => fingerprint);
  const key = JSON.stringify([settings, own, digestOf(trustedCa), digestOf(crl)]);
  let table = tables.get(secrets);
  if (table === undefined) {
    table = new Map();
    tables.set(secrets, table);
  }
  const found = table.get(key);
  if (found !== undefined) return use(table, key, found);
  const context = makeSecureContext({ ...settings, certificates, trustedCa, crl });
  if ('error' in context) return context;
  const shared: Shared = { context, users: 0 };
  table.set(key, shared);
  return use(table, key, shared);
}

function use(table: Map<string, Shared>, key: string, shared: Shared): ClientContext {
  shared.users++;
  return {
    context: shared.context,
    release() {
      if (--shared.users === 0) table.delete(key);
    },
  };
}

/** By the bytes that many clusters share. */
const digests = new WeakMap<Buffer, string>();

function digestOf(bytes: Buffer | null): string {
  if (bytes === null) return '';
  let digest = digests.get(bytes);
  if (digest === undefined) {
    digest = createHash('sha256').update(bytes).digest('base64');
    digests.set(bytes, digest);
  }
  return digest;
}
