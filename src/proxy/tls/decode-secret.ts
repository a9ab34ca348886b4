// A Secret, from static_resources, a file, or an SDS server: decoded by its kind.
import type { DataSource, Secret, TlsSessionTicketKeys } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeCertificate, fingerprintOf, isBlankCertificate } from './decode-certificate.ts';
import { checkValidation, decodeValidation, validationNames } from './decode-validation.ts';
import { readDataSource } from '../formatter/data-source.ts';
import { readSourceOrNothing } from './read-source.ts';
import type { CertificateSecret, TicketKeysSecret, ValidationSecret } from './tls-config.ts';

export type SecretKind = 'certificate' | 'validation' | 'ticketKeys' | 'generic';
export type SecretValues = {
  readonly certificate: CertificateSecret;
  readonly validation: ValidationSecret;
  readonly ticketKeys: TicketKeysSecret;
  readonly generic: GenericSecret;
};

/** Any text, as a latin1 string; of formats. */
export type GenericSecret = { readonly bytes: string; readonly fingerprint: string };

/** Envoy's names of the kinds in its messages. */
export const SECRET_KIND_NAMES: Readonly<Record<SecretKind, string>> = {
  certificate: 'TlsCertificate',
  validation: 'CertificateValidationContext',
  ticketKeys: 'TlsSessionTicketKeys',
  generic: 'GenericSecret',
};

/** Bytes of a ticket key: name, HMAC key, AES key. Source: Envoy. */
const TICKET_KEY_BYTES = 80;
/** More keys than anybody rotates. */
const MAX_TICKET_KEYS = 64;

export function secretKind(message: Secret): SecretKind | null {
  if (message.tls_certificate !== undefined) return 'certificate';
  if (message.validation_context !== undefined) return 'validation';
  if (message.session_ticket_keys !== undefined) return 'ticketKeys';
  return message.generic_secret === undefined ? null : 'generic';
}

/** The value, or null after rejecting it; `kind` is what `secretKind` found. */
export function decodeSecret<K extends SecretKind>(message: Secret, kind: K, d: ConfigDecoder): SecretValues[K] | null {
  return DECODERS[kind](message, d) as SecretValues[K] | null;
}

const DECODERS: Readonly<Record<SecretKind, (message: Secret, d: ConfigDecoder) => unknown>> = {
  certificate: (message, d) => decodeTlsCertificate(message, d.at('tls_certificate')),
  validation: (message, d) => {
    const context = message.validation_context ?? {};
    const value = decodeValidation(context, d.at('validation_context'));
    const names = validationNames(context);
    return value !== null && checkValidation(value, names, d.at('validation_context')) ? value : null;
  },
  ticketKeys: (message, d) => decodeTicketKeys(message.session_ticket_keys ?? {}, d.at('session_ticket_keys')),
  generic: ({ generic_secret: generic = {} }, d) => decodeGeneric(generic.secret, d.at('generic_secret').at('secret')),
};

/** Without one it is empty. */
function decodeGeneric(source: DataSource | undefined, d: ConfigDecoder): GenericSecret | null {
  const bytes = source === undefined ? Buffer.alloc(0) : readDataSource(source, d);
  return bytes === null ? null : { bytes: bytes.toString('latin1'), fingerprint: fingerprintOf([bytes]) };
}

function decodeTlsCertificate(message: Secret, d: ConfigDecoder): CertificateSecret | null {
  const certificate = message.tls_certificate ?? {};
  if (!isBlankCertificate(certificate)) return decodeCertificate(certificate, d);
  d.reject('', 'Server TlsCertificates must have a certificate specified');
  return null;
}

/** Source: Envoy ServerContextConfigImpl::getSessionTicketKeys. */
export function decodeTicketKeys(message: TlsSessionTicketKeys, d: ConfigDecoder): TicketKeysSecret | null {
  const before = d.reasons.length;
  const sources = message.keys ?? [];
  if (sources.length > MAX_TICKET_KEYS) d.reject('keys', `has more than ${MAX_TICKET_KEYS} keys`);
  const keys = sources.slice(0, MAX_TICKET_KEYS).map((source, i) => {
    const dk = d.at('keys', i);
    const reasons = d.reasons.length;
    const key = readSourceOrNothing(source, dk);
    if (d.reasons.length > reasons || key.length === TICKET_KEY_BYTES) return key;
    if (source.filename !== undefined && key.length === 0) dk.reject('filename', `Invalid path: ${source.filename}`);
    else {
      const found = `Length ${key.length}, expected length ${TICKET_KEY_BYTES}.`;
      dk.reject('', `Incorrect TLS session ticket key length. ${found}`);
    }
    return key;
  });
  return d.reasons.length > before ? null : { keys, fingerprint: fingerprintOf(keys) };
}
