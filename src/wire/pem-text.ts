// PEM (RFC 7468): DER as text, written and read strictly.

const COLUMNS = 64;

export function pemText(label: string, der: Uint8Array): string {
  const text = Buffer.from(der.buffer, der.byteOffset, der.length).toString('base64');
  let lines = '';
  for (let at = 0; at < text.length; at += COLUMNS) lines += `${text.slice(at, at + COLUMNS)}\n`;
  return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`;
}

/**
 * The contents of the one block that the text is, with this or that label; null for anything else: other blocks, text
 * around it, headers, characters that are not base64's.
 */
export function readPem(text: string, labels: readonly string[]): Buffer | null {
  const match = /^\s*-----BEGIN ([A-Z0-9 ]+)-----\s*([A-Za-z0-9+/=\s]*)-----END ([A-Z0-9 ]+)-----\s*$/.exec(text);
  const [, label = '', body = '', end] = match ?? [];
  if (match === null || label !== end || !labels.includes(label)) return null;
  const digits = body.replace(/\s+/g, '');
  if (digits === '' || digits.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(digits)) return null;
  return Buffer.from(digits, 'base64');
}
