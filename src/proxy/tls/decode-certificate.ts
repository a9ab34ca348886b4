// TlsCertificate: a chain with its key, read, checked against each other, and named.
import { createHash, X509Certificate } from 'node:crypto';
import { commonName, readCertificateNames } from '../../net/tls/certificate-names.ts';
import { EXT_SUBJECT_ALT_NAME, readCertificateParts } from '../../net/tls/certificate-parts.ts';
import { pemBlocks } from '../../net/tls/pem.ts';
import { openPkcs12 } from '../../net/tls/pkcs12.ts';
import { certificateError } from '../../net/tls/secure-context.ts';
import type { TlsCertificate } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { readSourceOrNothing, sourceName } from './read-source.ts';
import type { CertificateSecret } from './tls-config.ts';

const DER_SEQUENCE = 0x30;
const NOTHING = Buffer.alloc(0);

/** True for a message that names no certificate at all: Envoy passes over it. */
export function isBlankCertificate(message: TlsCertificate): boolean {
  const { certificate_chain, private_key, private_key_provider, pkcs12 } = message;
  return [certificate_chain, private_key, private_key_provider, pkcs12].every((part) => part === undefined);
}

/** The certificate, or null after rejecting it. Source: Envoy TlsCertificateConfigImpl, ContextImpl. */
export function decodeCertificate(message: TlsCertificate, d: ConfigDecoder): CertificateSecret | null {
  const password = readSourceOrNothing(message.password, d.at('password')).toString('utf8');
  const staple = readStaple(message, d);
  if (staple === null) return null;
  const found = message.pkcs12 === undefined ? readPair(message, password, d) : readPkcs12(message, password, d);
  if (found === null) return null;
  const leaf = new X509Certificate(pemBlocks(found.chain, 'CERTIFICATE')[0] as string);
  return {
    ...found,
    chainName: sourceName(message.pkcs12 ?? message.certificate_chain),
    // The key of a PKCS #12 file is open by now.
    password: message.pkcs12 === undefined ? password : '',
    ocspStaple: staple.length === 0 ? null : staple,
    serverNames: serverNamesOf(leaf),
    isEcdsa: leaf.publicKey.asymmetricKeyType === 'ec',
    validFromMs: leaf.validFromDate.getTime(),
    validToMs: leaf.validToDate.getTime(),
    fingerprint: fingerprintOf([found.chain, found.key, Buffer.from(password), staple]),
  };
}

type Pair = { readonly chain: Buffer; readonly key: Buffer };

function readPair(message: TlsCertificate, password: string, d: ConfigDecoder): Pair | null {
  const { certificate_chain: chainSource, private_key: keySource } = message;
  const pair = {
    chain: readSourceOrNothing(chainSource, d.at('certificate_chain')),
    key: readSourceOrNothing(keySource, d.at('private_key')),
  };
  const chainName = sourceName(chainSource);
  const keyName = sourceName(keySource);
  const error = certificateError({ ...pair, password, chainName, keyName });
  if (error === null) return pair;
  d.reject(error.includes('private key') ? 'private_key' : 'certificate_chain', error);
  return null;
}

/** PEM of what is in a PKCS #12 file. */
function readPkcs12(message: TlsCertificate, password: string, d: ConfigDecoder): Pair | null {
  for (const field of ['private_key', 'certificate_chain'] as const) {
    if (message[field] === undefined) continue;
    d.reject(field, `Certificate configuration can't have both pkcs12 and ${field}`);
    return null;
  }
  const name = sourceName(message.pkcs12);
  const content = openPkcs12(readSourceOrNothing(message.pkcs12, d.at('pkcs12')), password);
  if (content === null) d.reject('pkcs12', `Failed to load pkcs12 from ${name}`);
  else if (content.chain === '') d.reject('pkcs12', `Failed to load certificate from ${name}`);
  if (content === null || content.chain === '') return null;
  const pair = { chain: Buffer.from(content.chain), key: Buffer.from(content.key) };
  const error = certificateError({ ...pair, password: '', chainName: name, keyName: name });
  if (error === null) return pair;
  d.reject('pkcs12', error);
  return null;
}

/** Empty for none, null after rejecting it. */
function readStaple(message: TlsCertificate, d: ConfigDecoder): Buffer | null {
  const source = message.ocsp_staple;
  if (source === undefined) return NOTHING;
  const ds = d.at('ocsp_staple');
  if (source.inline_string !== undefined) {
    ds.reject('', 'OCSP staple cannot be provided via inline_string');
    return null;
  }
  const before = d.reasons.length;
  const staple = source.filename === undefined ? readSourceOrNothing(source, ds) : readFileOf(source.filename, ds);
  if (staple === null || d.reasons.length > before) return null;
  if (staple.length === 0 || isOneSequence(staple)) return staple;
  ds.reject('', 'Data contained more than a single OCSP response');
  return null;
}

function readFileOf(filename: string, d: ConfigDecoder): Buffer | null {
  const before = d.reasons.length;
  const bytes = readSourceOrNothing({ filename }, d);
  if (bytes.length > 0 || d.reasons.length > before) return bytes;
  d.reject('filename', `Invalid path: ${filename}`);
  return null;
}

/** One DER SEQUENCE and nothing after it. */
function isOneSequence(bytes: Buffer): boolean {
  if (bytes[0] !== DER_SEQUENCE || bytes.length < 2) return false;
  const first = bytes[1] as number;
  if (first < 0x80) return bytes.length === 2 + first;
  const count = first & 0x7f;
  if (count === 0 || count > 4 || bytes.length < 2 + count) return false;
  return bytes.length === 2 + count + bytes.readUIntBE(2, count);
}

/**
 * Names for which a server shows it: its DNS names, or the common name where it has no alternative names at all.
 * Source: Envoy DefaultTlsCertificateSelector::populateServerNamesMap.
 */
function serverNamesOf(leaf: X509Certificate): string[] {
  const parts = readCertificateParts(leaf.raw);
  if (parts?.extensions.has(EXT_SUBJECT_ALT_NAME) === true) {
    return readCertificateNames(leaf.raw).dnsSans.map((name) => name.toLowerCase());
  }
  // Not from `toLegacyObject`, which spoils the runtime's TLS module where that is loaded later.
  const name = parts === null ? null : commonName(leaf.raw, parts.subject);
  return name === null ? [] : [name.toLowerCase()];
}

/** A digest in which no part can pass for another. */
export function fingerprintOf(parts: readonly (Buffer | string)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length} `).update(part);
  return hash.digest('hex');
}
