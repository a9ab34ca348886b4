// Reads subject, issuer and alternative names of a certificate from its DER, byte for byte, as Envoy shows them.
import { formatIp } from '../../base/ip.ts';
import {
  contextTag,
  DER_BIT_STRING,
  DER_BMP_STRING,
  DER_BOOLEAN,
  DER_GENERALIZED_TIME,
  DER_ENUMERATED,
  DER_INTEGER,
  DER_NULL,
  DER_OCTET_STRING,
  DER_OID,
  DER_SEQUENCE,
  DER_SET,
  DER_UTC_TIME,
  DER_UNIVERSAL_STRING,
  DER_UTF8_STRING,
  type DerElement,
  derChildren,
  derInteger,
  derTimeMs,
  latin1Of,
  oidText,
  readDer,
} from '../../wire/der.ts';
import { type CertificateParts, EXT_SUBJECT_ALT_NAME, readCertificateParts } from './certificate-parts.ts';
import { attributeName } from './attribute-names.ts';

/** Every text is latin1, one byte each character: NUL and all others are kept, so that no matcher is fooled. */
export type CertificateNames = {
  /** RFC 2253. */
  readonly subject: string;
  readonly issuer: string;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  /** Texts; '' for one that has neither 4 nor 16 bytes. */
  readonly ipSans: readonly string[];
  readonly emailSans: readonly string[];
  /** Values as text; '' where the type has none. */
  readonly otherNameSans: readonly string[];
  /** All of them and those of other kinds, in the order of the certificate; '' for what has no text. */
  readonly allSans: readonly string[];
  /** Object identifiers of `otherNameSans`, dotted. */
  readonly otherNameTypes: readonly string[];
};

type Sans = Omit<CertificateNames, 'subject' | 'issuer'>;
const NO_SANS: Sans = Object.freeze(emptySans());

/** All of them empty when the bytes are no certificate; no alternative names when their list is broken. */
export function readCertificateNames(der: Uint8Array): CertificateNames {
  const parts = readCertificateParts(der);
  if (parts === null) return { subject: '', issuer: '', ...NO_SANS };
  return { subject: nameText(der, parts.subject), issuer: nameText(der, parts.issuer), ...readSans(der, parts) };
}

// ─── Distinguished names ────────────────────────────────────────────────────────────────────────────────────────────

/** RFC 2253 with OpenSSL's short names: the last attribute first, those of one RDN joined by '+'. */
export function nameText(der: Uint8Array, name: DerElement): string {
  let text = '';
  for (const rdn of derChildren(der, name) ?? []) {
    for (const [index, pair] of (derChildren(der, rdn) ?? []).entries()) {
      const one = attributeText(der, pair);
      text = text === '' ? one : `${one}${index === 0 ? ',' : '+'}${text}`;
    }
  }
  return text;
}

const COMMON_NAME = '2.5.4.3';

/** The first common name, UTF-8 as bytes; null when there is none. */
export function commonName(der: Uint8Array, name: DerElement): string | null {
  for (const rdn of derChildren(der, name) ?? []) {
    for (const pair of derChildren(der, rdn) ?? []) {
      const [type, value] = derChildren(der, pair) ?? [];
      if (type?.tag !== DER_OID || value === undefined || oidText(der, type.start, type.end) !== COMMON_NAME) continue;
      return stringBytes(der, value)?.latin1Slice() ?? null;
    }
  }
  return null;
}

function attributeText(der: Uint8Array, pair: DerElement): string {
  const [type, value] = derChildren(der, pair) ?? [];
  if (type?.tag !== DER_OID || value === undefined) return '';
  const dotted = oidText(der, type.start, type.end) ?? '';
  const name = attributeName(dotted);
  const bytes = name === undefined ? null : stringBytes(der, value);
  // Values of unknown types, and such that are no text, are shown as they are encoded.
  if (bytes === null) return `${name ?? dotted}=#${hexUpper(der, value.from, value.end)}`;
  return `${name}=${escaped(bytes)}`;
}

/** Tags of strings with one byte per character; also times, which OpenSSL shows as text. */
const BYTE_STRINGS = [0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1a];

/** UTF-8; null when the value is no string. */
function stringBytes(der: Uint8Array, value: DerElement): Buffer | null {
  const bytes = Buffer.from(der.subarray(value.start, value.end));
  switch (value.tag) {
    case DER_UTF8_STRING:
      return bytes;
    case DER_BMP_STRING:
      return wideText(bytes, 2);
    case DER_UNIVERSAL_STRING:
      return wideText(bytes, 4);
    default:
      return BYTE_STRINGS.includes(value.tag) ? Buffer.from(bytes.latin1Slice(), 'utf8') : null;
  }
}

/** UTF-8 of big-endian units; null when a unit is no character. */
function wideText(bytes: Buffer, size: 2 | 4): Buffer | null {
  if (bytes.length % size !== 0) return null;
  let text = '';
  for (let at = 0; at < bytes.length; at += size) {
    const code = size === 2 ? bytes.readUInt16BE(at) : bytes.readUInt32BE(at);
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return null;
    text += String.fromCodePoint(code);
  }
  return Buffer.from(text, 'utf8');
}

const ALWAYS_ESCAPED = ',+"\\<>;';

function escaped(bytes: Buffer): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes[i] as number;
    const char = String.fromCharCode(code);
    const isFirst = i === 0 && (char === '#' || char === ' ');
    const isLast = i === bytes.length - 1 && char === ' ';
    if (ALWAYS_ESCAPED.includes(char) || isFirst || isLast) text += `\\${char}`;
    else if (code < 0x20 || code >= 0x7f) text += `\\${code.toString(16).toUpperCase().padStart(2, '0')}`;
    else text += char;
  }
  return text;
}

function hexUpper(der: Uint8Array, from: number, end: number): string {
  return Buffer.from(der.subarray(from, end)).toString('hex').toUpperCase();
}

// ─── Alternative names ──────────────────────────────────────────────────────────────────────────────────────────────

const OTHER_NAME = contextTag(0, true);
const EMAIL = contextTag(1, false);
const DNS = contextTag(2, false);
const URI = contextTag(6, false);
const IP = contextTag(7, false);
/** Names that nobody asks for, but that must read well. X.400 addresses and EDI parties are refused with the rest. */
const DIRECTORY = contextTag(4, true);
const REGISTERED = contextTag(8, false);

/** As OpenSSL: one name that is none spoils them all. */
function readSans(der: Uint8Array, { extensions, hasDoubleExtension }: CertificateParts): Sans {
  const value = extensions.get(EXT_SUBJECT_ALT_NAME)?.value;
  if (value === undefined || hasDoubleExtension) return NO_SANS;
  const list = readDer(der, value.start, value.end);
  const names = list?.tag === DER_SEQUENCE && list.end === value.end ? derChildren(der, list) : null;
  if (names === null) return NO_SANS;
  const found = emptySans();
  for (const name of names) {
    const text = addName(der, name, found);
    if (text === null) return NO_SANS;
    found.allSans.push(text);
  }
  return found;
}

type MutableSans = { [Kind in keyof Sans]: string[] };

/** Its text; null when it is no name. */
function addName(der: Uint8Array, name: DerElement, found: MutableSans): string | null {
  const { tag, start, end } = name;
  const add = (list: string[], text: string): string => {
    list.push(text);
    return text;
  };
  switch (tag) {
    case URI:
      return add(found.uriSans, latin1Of(der, start, end));
    case DNS:
      return add(found.dnsSans, latin1Of(der, start, end));
    case EMAIL:
      return add(found.emailSans, latin1Of(der, start, end));
    case IP:
      return add(found.ipSans, ipText(der.subarray(start, end)));
    case OTHER_NAME: {
      const other = readOtherName(der, name);
      if (other === null) return null;
      found.otherNameTypes.push(other[0]);
      return add(found.otherNameSans, other[1]);
    }
    default:
      return isUnusedName(der, name) ? '' : null;
  }
}

function isUnusedName(der: Uint8Array, name: DerElement): boolean {
  if (name.tag === REGISTERED) return oidText(der, name.start, name.end) !== null;
  const [rdns, ...rest] = (name.tag === DIRECTORY && derChildren(der, name)) || [];
  if (rdns?.tag !== DER_SEQUENCE || rest.length > 0) return false;
  return (derChildren(der, rdns) ?? [name]).every(
    (rdn) => rdn.tag === DER_SET && (derChildren(der, rdn) ?? [name]).every((pair) => isAttribute(der, pair)),
  );
}

function isAttribute(der: Uint8Array, pair: DerElement): boolean {
  const [type, value, ...rest] = (pair.tag === DER_SEQUENCE && derChildren(der, pair)) || [];
  return type?.tag === DER_OID && value !== undefined && rest.length === 0 && isWellFormed(der, value);
}

/** As inet_ntop(3) prints it; '' for a wrong length. */
export function ipText(bytes: Uint8Array): string {
  const words = Buffer.from(bytes);
  if (words.length === 4) return words.join('.');
  if (words.length !== 16) return '';
  const [w0, w1, w2, w3] = [0, 4, 8, 12].map((at) => words.readUInt32BE(at)) as [number, number, number, number];
  // What was meant for IPv4 over IPv6 (RFC 4291 §2.5.5.1) is still shown so.
  if (w0 === 0 && w1 === 0 && w2 === 0 && w3 > 0xffff) return `::${words.subarray(12).join('.')}`;
  return formatIp({ family: 'ipv6', w0, w1, w2, w3 });
}

/** Type and text. */
function readOtherName(der: Uint8Array, name: DerElement): readonly [string, string] | null {
  const [type, wrapper, ...rest] = derChildren(der, name) ?? [];
  if (type?.tag !== DER_OID || wrapper?.tag !== OTHER_NAME || rest.length > 0) return null;
  const value = readDer(der, wrapper.start, wrapper.end);
  const dotted = oidText(der, type.start, type.end);
  if (value === null || value.end !== wrapper.end || dotted === null || !isWellFormed(der, value)) return null;
  return [dotted, anyText(der, value)];
}

/** What OpenSSL checks of any value while it reads it. */
function isWellFormed(der: Uint8Array, element: DerElement): boolean {
  const { tag, start, end } = element;
  const length = end - start;
  // Of the universal types only SEQUENCE and SET are made of others.
  if (tag < 0x40 && tag >= 0x20 !== ((tag & 0x1f) === 0x10 || (tag & 0x1f) === 0x11)) return false;
  switch (tag) {
    case DER_BOOLEAN:
      return length === 1;
    case DER_NULL:
      return length === 0;
    case DER_INTEGER:
    case DER_ENUMERATED:
      return length > 0 && !(length > 1 && isPadding(der[start] as number, der[start + 1] as number));
    case DER_OID:
      return oidText(der, start, end) !== null;
    case DER_UTC_TIME:
    case DER_GENERALIZED_TIME:
      return derTimeMs(der, element) !== null;
    case DER_BIT_STRING:
      return length > 0 && (der[start] as number) < 8;
    case DER_BMP_STRING:
      return length % 2 === 0;
    case DER_UNIVERSAL_STRING:
      return length % 4 === 0;
    default:
      return true;
  }
}

/** An octet of nothing but the sign. */
function isPadding(first: number, second: number): boolean {
  return (first === 0 && second < 0x80) || (first === 0xff && second >= 0x80);
}

/** Strings that Envoy takes byte by byte: UTF8, Printable, T61, IA5, UTCTime, GeneralizedTime, Visible, General. */
const RAW_STRINGS = [DER_OCTET_STRING, DER_UTF8_STRING, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1a, 0x1b];

function anyText(der: Uint8Array, value: DerElement): string {
  const { tag, start, end } = value;
  if (RAW_STRINGS.includes(tag)) return latin1Of(der, start, end);
  switch (tag) {
    case DER_BOOLEAN:
      return der[start] === 0 ? 'false' : 'true';
    case DER_INTEGER:
    case DER_ENUMERATED:
      return String(derInteger(der, value) ?? '');
    case DER_OID:
      return oidText(der, start, end) ?? '';
    case DER_BIT_STRING:
      return latin1Of(der, Math.min(start + 1, end), end);
    case DER_BMP_STRING:
    case DER_UNIVERSAL_STRING:
      return stringBytes(der, value)?.latin1Slice() ?? '';
    case DER_SEQUENCE:
    case DER_SET:
      return latin1Of(der, value.from, end);
    default:
      return '';
  }
}

function emptySans(): MutableSans {
  return { uriSans: [], dnsSans: [], ipSans: [], emailSans: [], otherNameSans: [], otherNameTypes: [], allSans: [] };
}
