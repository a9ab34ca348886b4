// What scripts ask of certificates and ciphers that nobody else does.

/** IANA's numbers of the suites that TLS here can agree on, by OpenSSL's names. */
const CIPHERS: Readonly<Record<string, string>> = {
  TLS_AES_128_GCM_SHA256: '1301',
  TLS_AES_256_GCM_SHA384: '1302',
  TLS_CHACHA20_POLY1305_SHA256: '1303',
  'ECDHE-ECDSA-AES128-GCM-SHA256': 'c02b',
  'ECDHE-ECDSA-AES256-GCM-SHA384': 'c02c',
  'ECDHE-RSA-AES128-GCM-SHA256': 'c02f',
  'ECDHE-RSA-AES256-GCM-SHA384': 'c030',
  'ECDHE-RSA-CHACHA20-POLY1305': 'cca8',
  'ECDHE-ECDSA-CHACHA20-POLY1305': 'cca9',
  'ECDHE-ECDSA-AES128-SHA': 'c009',
  'ECDHE-ECDSA-AES256-SHA': 'c00a',
  'ECDHE-RSA-AES128-SHA': 'c013',
  'ECDHE-RSA-AES256-SHA': 'c014',
  'ECDHE-PSK-AES128-CBC-SHA': 'c035',
  'ECDHE-PSK-AES256-CBC-SHA': 'c036',
  'AES128-GCM-SHA256': '009c',
  'AES256-GCM-SHA384': '009d',
  'AES128-SHA': '002f',
  'AES256-SHA': '0035',
  'PSK-AES128-CBC-SHA': '008c',
  'PSK-AES256-CBC-SHA': '008d',
};

export function cipherId(name: string): string {
  return `0x${CIPHERS[name] ?? 'ffff'}`;
}

/** Attributes of a name in the form of RFC 2253, in the order of the certificate (the text has them reversed). */
function attributes(subject: string, wanted: string): string[] {
  const values: string[] = [];
  for (const part of subject.match(/(?:\\.|[^,+\\])+/gs) ?? []) {
    const at = part.indexOf('=');
    if (at < 0 || part.slice(0, at).trim() !== wanted) continue;
    values.push(unescape(part.slice(at + 1)));
  }
  return values.reverse();
}

function unescape(value: string): string {
  return value.replace(/\\(?:([0-9A-Fa-f]{2})|(.))/gs, (_, hex: string | undefined, char: string | undefined) =>
    hex === undefined ? (char ?? '') : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

export function commonName(subject: string): string {
  return attributes(subject, 'CN')[0] ?? '';
}

export function organizations(subject: string): string[] {
  return attributes(subject, 'O');
}
