// TLS's errors in Envoy's words: every text of a transport failure reason comes from here. Also ALPN's wire form.
import { errnoText } from '../errno.ts';
import type { TlsError } from './surface.ts';

/** RFC 7301 §3.1: each name with its length before it. */
export function alpnWire(protocols: readonly string[]): Buffer {
  return Buffer.concat(protocols.map((name) => Buffer.from([name.length, ...Buffer.from(name, 'latin1')])));
}

/** Which of Envoy's statistics below 'ssl.' a failure adds to; null for none. */
export type TlsFailureStat =
  | 'connection_error'
  | 'fail_verify_no_cert'
  | 'fail_verify_error'
  | 'fail_verify_san'
  | 'fail_verify_cert_hash';

const SSL_LIBRARY = 16;
const SYSTEM_LIBRARY = 2;

/** BoringSSL's reasons and their numbers. */
const REASONS = {
  APPLICATION_DATA_INSTEAD_OF_HANDSHAKE: 100,
  BAD_ALERT: 102,
  BAD_DECRYPT: 106,
  BAD_PACKET_LENGTH: 112,
  BAD_SIGNATURE: 114,
  CERTIFICATE_VERIFY_FAILED: 125,
  CLIENTHELLO_PARSE_FAILED: 131,
  DECODE_ERROR: 137,
  DECRYPTION_FAILED_OR_BAD_RECORD_MAC: 139,
  ENCRYPTED_LENGTH_TOO_LONG: 146,
  EXCESSIVE_MESSAGE_SIZE: 150,
  HANDSHAKE_FAILURE_ON_CLIENT_HELLO: 154,
  HTTPS_PROXY_REQUEST: 155,
  HTTP_REQUEST: 156,
  INAPPROPRIATE_FALLBACK: 157,
  NO_RENEGOTIATION: 182,
  NO_SHARED_CIPHER: 184,
  PEER_DID_NOT_RETURN_A_CERTIFICATE: 192,
  UNEXPECTED_MESSAGE: 223,
  UNEXPECTED_RECORD: 225,
  UNKNOWN_PROTOCOL: 235,
  UNSUPPORTED_PROTOCOL: 240,
  WRONG_CIPHER_RETURNED: 242,
  WRONG_CURVE: 243,
  WRONG_SIGNATURE_TYPE: 245,
  WRONG_VERSION_NUMBER: 247,
  NO_COMMON_SIGNATURE_ALGORITHMS: 253,
  NO_SHARED_GROUP: 266,
  KEY_USAGE_BIT_INCORRECT: 302,
} as const;
type Reason = keyof typeof REASONS;

// ─── Refused certificates ───────────────────────────────────────────────────────────────────────────────────────────

/** What a chain can be refused for: OpenSSL's name (as the runtime has it) and the text of X509_verify_cert. */
const CHAIN_TEXTS = {
  UNABLE_TO_GET_ISSUER_CERT: 'unable to get issuer certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unable to get local issuer certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unable to get local issuer certificate',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self signed certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'self signed certificate in certificate chain',
  CERT_HAS_EXPIRED: 'certificate has expired',
  CERT_NOT_YET_VALID: 'certificate is not yet valid',
  CERT_SIGNATURE_FAILURE: 'certificate signature failure',
  INVALID_CA: 'invalid CA certificate',
  PATH_LENGTH_EXCEEDED: 'path length constraint exceeded',
  INVALID_PURPOSE: 'unsupported certificate purpose',
  CERT_UNTRUSTED: 'certificate not trusted',
  CERT_REJECTED: 'certificate rejected',
  CERT_CHAIN_TOO_LONG: 'certificate chain too long',
  UNHANDLED_CRITICAL_EXTENSION: 'unhandled critical extension',
  PERMITTED_VIOLATION: 'permitted subtree violation',
  EXCLUDED_VIOLATION: 'excluded subtree violation',
  UNSUPPORTED_CONSTRAINT_TYPE: 'unsupported name constraint type',
  CERT_REVOKED: 'certificate revoked',
  UNABLE_TO_GET_CRL: 'unable to get certificate CRL',
  CRL_HAS_EXPIRED: 'CRL has expired',
  CRL_NOT_YET_VALID: 'CRL is not yet valid',
  CRL_SIGNATURE_FAILURE: 'CRL signature failure',
  // Envoy's library has no such rules: these are OpenSSL's own texts.
  EE_KEY_TOO_SMALL: 'EE certificate key too weak',
  CA_KEY_TOO_SMALL: 'CA certificate key too weak',
  CA_MD_TOO_WEAK: 'CA signature digest algorithm too weak',
} as const;

export type ChainError = keyof typeof CHAIN_TEXTS;

/** The certificate at `depth` (the leaf is 0) is why the chain was refused. */
export type ChainProblem = { readonly error: ChainError; readonly depth: number };

/** The error that OpenSSL calls so, by its name or its text; null for one that is not in the table. */
export function chainErrorOf(code: string): ChainError | null {
  if (Object.hasOwn(CHAIN_TEXTS, code)) return code as ChainError;
  const found = Object.entries(CHAIN_TEXTS).find(([, text]) => text === code);
  return found === undefined ? null : (found[0] as ChainError);
}

const CRL_ERRORS: readonly ChainError[] = ['CERT_REVOKED', 'UNABLE_TO_GET_CRL', 'CRL_HAS_EXPIRED', 'CRL_NOT_YET_VALID'];
/** What BoringSSL has left in its queue before it gives up. */
const BAD_SIGNATURE =
  '436207716:ECDSA routines:OPENSSL_internal:BAD_SIGNATURE|' +
  '184549382:X.509 certificate routines:OPENSSL_internal:public key routines|';

export function chainReason({ error, depth }: ChainProblem): string {
  const prefix = CRL_ERRORS.includes(error) ? 'certificate revocation check against provided CRLs failed: ' : '';
  const isSignature = error === 'CERT_SIGNATURE_FAILURE' || error === 'CRL_SIGNATURE_FAILURE';
  const what = `X509_verify_cert: certificate verification error at depth ${depth}: ${prefix}${CHAIN_TEXTS[error]}`;
  return refusal(what, isSignature ? BAD_SIGNATURE : '');
}

/** `sans` are all names of the certificate in their order. */
export function sanMatcherReason(sans: readonly string[]): string {
  return refusal(`SAN matcher, certificate SANs are [${sans.join(', ')}]`);
}

/** The names came with the connection (auto_san_validation), not with the configuration. */
export function sanListReason(expected: readonly string[], sans: readonly string[]): string {
  return refusal(`verify SAN list, expected SANs: [${expected.join(', ')}], certificate SANs: [${sans.join(', ')}]`);
}

/** Names are asked for, but nothing says whom to believe. */
export const UNCHECKED_REASON = enclosed(sslError('CERTIFICATE_VERIFY_FAILED'));
export const HASH_REASON = refusal('cert hash and spki');
export const SPIFFE_PRECHECK_REASON = refusal('cert precheck');
export const SPIFFE_NO_BUNDLE_REASON = refusal('no trust bundle store');
export const SPIFFE_SAN_REASON = refusal('SAN match');
export const KEY_USAGE_REASON = enclosed(sslError('KEY_USAGE_BIT_INCORRECT'));

function refusal(what: string, before = ''): string {
  return enclosed(`${before}${sslError('CERTIFICATE_VERIFY_FAILED')}:verify cert failed: ${what}`);
}

// ─── Broken handshakes ──────────────────────────────────────────────────────────────────────────────────────────────

/** OpenSSL's texts for what BoringSSL calls otherwise, or notices at another place. */
const RENAMED: Readonly<Record<string, Reason>> = {
  'bad extension': 'CLIENTHELLO_PARSE_FAILED',
  'bad key share': 'DECODE_ERROR',
  'data length too long': 'ENCRYPTED_LENGTH_TOO_LONG',
  'packet length too long': 'ENCRYPTED_LENGTH_TOO_LONG',
  'length mismatch': 'DECODE_ERROR',
  'length too long': 'DECODE_ERROR',
  'length too short': 'DECODE_ERROR',
  'bad packet': 'DECODE_ERROR',
  'bad record type': 'UNEXPECTED_RECORD',
  'ccs received early': 'UNEXPECTED_RECORD',
  'invalid ccs message': 'UNEXPECTED_RECORD',
  'unexpected ccs message': 'UNEXPECTED_RECORD',
  'no suitable key share': 'NO_SHARED_GROUP',
  'no suitable groups': 'NO_SHARED_GROUP',
  'no suitable signature algorithm': 'NO_COMMON_SIGNATURE_ALGORITHMS',
  'no shared signature algorithms': 'NO_COMMON_SIGNATURE_ALGORITHMS',
  'no protocols available': 'UNSUPPORTED_PROTOCOL',
  'version too low': 'UNSUPPORTED_PROTOCOL',
  'unsupported protocol version': 'UNSUPPORTED_PROTOCOL',
  'record layer failure': 'WRONG_VERSION_NUMBER',
  'not on record boundary': 'UNEXPECTED_MESSAGE',
};

/** Alerts by number; BoringSSL counts from 1000. */
const ALERTS: Readonly<Record<number, string>> = {
  0: 'SSLV3_ALERT_CLOSE_NOTIFY',
  10: 'SSLV3_ALERT_UNEXPECTED_MESSAGE',
  20: 'SSLV3_ALERT_BAD_RECORD_MAC',
  21: 'TLSV1_ALERT_DECRYPTION_FAILED',
  22: 'TLSV1_ALERT_RECORD_OVERFLOW',
  30: 'SSLV3_ALERT_DECOMPRESSION_FAILURE',
  40: 'SSLV3_ALERT_HANDSHAKE_FAILURE',
  41: 'SSLV3_ALERT_NO_CERTIFICATE',
  42: 'SSLV3_ALERT_BAD_CERTIFICATE',
  43: 'SSLV3_ALERT_UNSUPPORTED_CERTIFICATE',
  44: 'SSLV3_ALERT_CERTIFICATE_REVOKED',
  45: 'SSLV3_ALERT_CERTIFICATE_EXPIRED',
  46: 'SSLV3_ALERT_CERTIFICATE_UNKNOWN',
  47: 'SSLV3_ALERT_ILLEGAL_PARAMETER',
  48: 'TLSV1_ALERT_UNKNOWN_CA',
  49: 'TLSV1_ALERT_ACCESS_DENIED',
  50: 'TLSV1_ALERT_DECODE_ERROR',
  51: 'TLSV1_ALERT_DECRYPT_ERROR',
  60: 'TLSV1_ALERT_EXPORT_RESTRICTION',
  70: 'TLSV1_ALERT_PROTOCOL_VERSION',
  71: 'TLSV1_ALERT_INSUFFICIENT_SECURITY',
  80: 'TLSV1_ALERT_INTERNAL_ERROR',
  86: 'TLSV1_ALERT_INAPPROPRIATE_FALLBACK',
  90: 'TLSV1_ALERT_USER_CANCELLED',
  100: 'TLSV1_ALERT_NO_RENEGOTIATION',
  110: 'TLSV1_ALERT_UNSUPPORTED_EXTENSION',
  111: 'TLSV1_ALERT_CERTIFICATE_UNOBTAINABLE',
  112: 'TLSV1_ALERT_UNRECOGNIZED_NAME',
  113: 'TLSV1_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE',
  114: 'TLSV1_ALERT_BAD_CERTIFICATE_HASH_VALUE',
  115: 'TLSV1_ALERT_UNKNOWN_PSK_IDENTITY',
  116: 'TLSV1_ALERT_CERTIFICATE_REQUIRED',
  120: 'TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
};
const FIRST_ALERT = 1000;
const LAST_ALERT = FIRST_ALERT + 255;
const HANDSHAKE_FAILURE = 40;

/**
 * Envoy's reason for an error of OpenSSL. `isFirstAnswer`: the error is all that came back for a ClientHello, which
 * BoringSSL tells apart.
 */
export function tlsReason(error: TlsError, isFirstAnswer = false): string {
  const number = Number.parseInt(/error:[0-9A-F]{2}([0-9A-F]{6})/i.exec(error.message)?.[1] ?? '', 16);
  if (number >= FIRST_ALERT && number <= LAST_ALERT) return enclosed(alertText(number - FIRST_ALERT, isFirstAnswer));
  const name = reasonName((error.reason ?? error.message).toLowerCase(), error.message);
  if (name === 'PEER_DID_NOT_RETURN_A_CERTIFICATE') {
    return enclosed(`${sslError(name)}:peer did not provide required client certificate`);
  }
  if (name === 'DECRYPTION_FAILED_OR_BAD_RECORD_MAC' || Object.hasOwn(REASONS, name)) {
    return enclosed(sslError(name as Reason));
  }
  return enclosed(`${libraryCode(SSL_LIBRARY, 0)}:SSL routines:OPENSSL_internal:${name}`);
}

/** `message` tells the function that complained: 'error:0A0000F4:SSL routines:ssl3_read_bytes:unexpected message:…'. */
function reasonName(text: string, message: string): string {
  if (text === 'unexpected message' && message.includes(':ssl3_read_bytes:')) return 'UNEXPECTED_RECORD';
  if (text === 'length mismatch' && message.includes(':tls_process_client_hello:')) return 'CLIENTHELLO_PARSE_FAILED';
  return RENAMED[text] ?? text.toUpperCase().replaceAll(' ', '_');
}

/** The socket broke while the handshake was under way; `errno` is 'ECONNRESET' and the like. */
export function socketReason(errno: string, number: number): string {
  return enclosed(`${libraryCode(SYSTEM_LIBRARY, number)}:system library:OPENSSL_internal:${errnoText(errno)}`);
}

/**
 * What a broken handshake is counted as, by the detail of its failure. Null for a socket that ended, and for what
 * `verify` refused, whose verdict has a statistic of its own.
 */
export function handshakeStat(reason: string): TlsFailureStat | null {
  if (!reason.startsWith('TLS_error:') || reason.includes(':system library:')) return null;
  if (reason.includes('CERTIFICATE_VERIFY_FAILED')) return null;
  return reason.includes('PEER_DID_NOT_RETURN_A_CERTIFICATE') ? 'fail_verify_no_cert' : 'connection_error';
}

function alertText(alert: number, isFirstAnswer: boolean): string {
  const code = libraryCode(SSL_LIBRARY, FIRST_ALERT + alert);
  const text = `${code}:SSL routines:OPENSSL_internal:${ALERTS[alert] ?? 'unknown error'}`;
  const isRefusedHello = alert === HANDSHAKE_FAILURE && isFirstAnswer;
  return isRefusedHello ? `${text}|${sslError('HANDSHAKE_FAILURE_ON_CLIENT_HELLO')}` : text;
}

function sslError(reason: Reason): string {
  return `${libraryCode(SSL_LIBRARY, REASONS[reason])}:SSL routines:OPENSSL_internal:${reason}`;
}

function libraryCode(library: number, reason: number): number {
  return library * 2 ** 24 + reason;
}

function enclosed(text: string): string {
  return `TLS_error:|${text}:TLS_error_end`;
}
