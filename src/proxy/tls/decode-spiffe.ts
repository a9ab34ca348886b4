// SPIFFECertValidatorConfig: trust domains and the CAs that speak for each.
import { X509Certificate } from 'node:crypto';
import { pemBlocks } from '../../net/tls/pem.ts';
import type { DataSource } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { readWholeSource, readSourceOrNothing } from './read-source.ts';

export const SPIFFE_VALIDATOR_TYPE = 'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig';

/** Whatever a bundle says, no more are read. */
const MAX_TRUST_DOMAINS = 10_000;

type SpiffePb = {
  readonly trust_domains?: readonly { readonly name?: string; readonly trust_bundle?: DataSource }[];
  readonly trust_bundles?: DataSource;
};

/** Trust domain → CAs, PEM. Source: Envoy SPIFFEValidator's constructor. */
export function decodeSpiffe(config: object, d: ConfigDecoder): ReadonlyMap<string, Buffer> {
  const message = config as SpiffePb;
  if (message.trust_bundles !== undefined) return readBundles(message.trust_bundles, d.at('trust_bundles'));
  const domains = new Map<string, Buffer>();
  for (const [i, domain] of (message.trust_domains ?? []).entries()) {
    const dd = d.at('trust_domains', i);
    const name = domain.name ?? '';
    if (domains.has(name)) {
      dd.reject('name', `Multiple trust bundles are given for one trust domain for ${name}, workload: `);
    }
    const before = d.reasons.length;
    const bundle = readBundle(domain.trust_bundle, dd.at('trust_bundle'));
    if (d.reasons.length > before) continue;
    if (!isAllCertificates(bundle)) dd.reject('trust_bundle', `Failed to load trusted CA certificate for ${name}`);
    domains.set(name, bundle);
  }
  return domains;
}

function readBundle(source: DataSource | undefined, d: ConfigDecoder): Buffer {
  const bytes = readSourceOrNothing(source, d);
  if (bytes.length === 0 && source?.filename !== undefined) d.reject('filename', `Invalid path: ${source.filename}`);
  return bytes;
}

function isAllCertificates(bundle: Buffer): boolean {
  const blocks = pemBlocks(bundle, 'CERTIFICATE');
  return blocks.length > 0 && blocks.every((block) => isCertificate(block));
}

function isCertificate(pem: string | Buffer): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

/** The JSON of a SPIFFE trust bundle map: trust_domains → keys, of which those for X.509 carry certificates. */
function readBundles(source: DataSource, d: ConfigDecoder): Map<string, Buffer> {
  const domains = new Map<string, Buffer>();
  const bytes = readWholeSource(source, d);
  if (bytes === null) return domains;
  const bundle = parseObject(bytes);
  if (bundle === null) {
    d.reject('', 'Invalid JSON found in SPIFFE bundle');
    return domains;
  }
  const listed = Object.entries(objectOf(bundle['trust_domains']) ?? {});
  if (listed.length === 0 || listed.length > MAX_TRUST_DOMAINS) {
    d.reject('', 'No trust domains found in SPIFFE bundle');
    return domains;
  }
  for (const [name, value] of listed) {
    const pem = readKeys(objectOf(value)?.['keys'], name, d);
    if (pem !== null) domains.set(name, Buffer.from(pem));
  }
  return domains;
}

/** PEM of the certificates of one trust domain; null after rejecting it. */
function readKeys(keys: unknown, name: string, d: ConfigDecoder): string | null {
  if (!Array.isArray(keys) || keys.length === 0) {
    d.reject('', `No keys found in SPIFFE bundle for domain '${name}'`);
    return null;
  }
  let pem = '';
  for (const key of keys) {
    const { use, x5c } = objectOf(key) ?? {};
    if (use !== 'x509-svid') continue;
    for (const certificate of Array.isArray(x5c) ? x5c : []) {
      const text = pemOf(certificate);
      if (text === null) {
        d.reject('', `Invalid x509 object in certs for domain '${name}'`);
        return null;
      }
      pem += text;
    }
  }
  if (pem !== '') return pem;
  d.reject('', `No usable certificates found in SPIFFE bundle for domain '${name}'`);
  return null;
}

function pemOf(base64: unknown): string | null {
  if (typeof base64 !== 'string') return null;
  const der = Buffer.from(base64, 'base64');
  return isCertificate(der) ? new X509Certificate(der).toString() : null;
}

function parseObject(bytes: Buffer): Record<string, unknown> | null {
  try {
    return objectOf(JSON.parse(bytes.toString('utf8')));
  } catch {
    return null;
  }
}

function objectOf(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
