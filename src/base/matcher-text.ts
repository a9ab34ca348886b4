// Text as matchers compare it: configuration text as bytes, and ASCII case.

const NON_ASCII = /[^\x00-\x7f]/;

/** Text of a configuration (UTF-16) as the latin1 string of its UTF-8 bytes, the form that header values have. */
export function bytesOf(text: string): string {
  return NON_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;
}

/** Lower-cases A–Z and nothing else: bytes from 0x80 on are no letters. */
export function asciiLower(value: string): string {
  if (!NON_ASCII.test(value)) return value.toLowerCase();
  return value.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
