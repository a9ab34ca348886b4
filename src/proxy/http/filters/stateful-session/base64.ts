// Base64 as Envoy reads it: whole groups of four, and nothing but the alphabet.

const WHOLE = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Empty for what is no base64. */
export function decodeBase64(text: string): Buffer {
  if (text === '' || !WHOLE.test(text)) return NOTHING;
  const bytes = Buffer.from(text, 'base64');
  // The bits after the last byte must be none.
  return bytes.toString('base64') === text ? bytes : NOTHING;
}

const NOTHING = Buffer.alloc(0);

/** `text`: bytes, one per char code. */
export function encodeBase64(text: string): string {
  return Buffer.from(text, 'latin1').toString('base64');
}
