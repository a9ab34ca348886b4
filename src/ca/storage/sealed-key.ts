// Private keys at rest: encrypted with a passphrase (scrypt, AES-256-GCM), as JSON text; or PKCS #8 as PEM has it.
import { createCipheriv, createDecipheriv, createPrivateKey, type KeyObject, randomBytes, scrypt } from 'node:crypto';
import { Secret } from '../../base/secret.ts';

/** Changes with every rule below. */
const FORMAT = 'heddle-sealed-key-1';
/** RFC 7914 §2: 32 MB and a tenth of a second for each guess. */
const SCRYPT = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 } as const;
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;

type Sealed = { format: string; salt: string; iv: string; tag: string; key: string };

/** `pem` encrypted so that only the passphrase opens it. */
export async function sealKey(pem: Secret, passphrase: Secret): Promise<string> {
  const [salt, iv] = [randomBytes(SALT_BYTES), randomBytes(IV_BYTES)];
  const cipher = createCipheriv('aes-256-gcm', await deriveKey(passphrase, salt), iv);
  cipher.setAAD(Buffer.from(FORMAT));
  const key = Buffer.concat([cipher.update(pem.reveal(), 'utf8'), cipher.final()]);
  const sealed: Sealed = {
    format: FORMAT,
    salt: salt.toString('base64'),
    iv: iv.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
    key: key.toString('base64'),
  };
  return `${JSON.stringify(sealed, null, 2)}\n`;
}

export type OpenedKey = { readonly key: KeyObject /** Whether the text was encrypted. */; readonly wasSealed: boolean };

/** The key in a text of any of the forms. A text says why there is none, and never what was in it. */
export async function openKey(text: string, passphrase: Secret | null): Promise<OpenedKey | string> {
  if (!text.trimStart().startsWith('{')) return readPemKey(text, passphrase);
  const sealed = readSealed(text);
  if (sealed === null) return 'is neither PEM nor a sealed key';
  if (passphrase === null) return 'is sealed, and no passphrase is given';
  const pem = await unseal(sealed, passphrase);
  if (pem === null) return 'cannot be opened: the passphrase is wrong, or the file was changed';
  const opened = readPemKey(pem.reveal(), null);
  return typeof opened === 'string' ? opened : { ...opened, wasSealed: true };
}

function readPemKey(text: string, passphrase: Secret | null): OpenedKey | string {
  const wasSealed = text.includes('ENCRYPTED');
  try {
    const more = passphrase === null ? {} : { passphrase: passphrase.reveal() };
    return { key: createPrivateKey({ key: text, format: 'pem', ...more }), wasSealed };
  } catch {
    if (!wasSealed) return 'is no private key in PEM';
    return passphrase === null ? 'is encrypted, and no passphrase is given' : 'cannot be opened: wrong passphrase?';
  }
}

async function unseal({ salt, iv, tag, key }: Sealed, passphrase: Secret): Promise<Secret | null> {
  const [saltBytes, ivBytes, tagBytes] = [salt, iv, tag].map((one) => Buffer.from(one, 'base64')) as Three;
  if (ivBytes.length !== IV_BYTES || tagBytes.length !== TAG_BYTES || saltBytes.length !== SALT_BYTES) return null;
  const decipher = createDecipheriv('aes-256-gcm', await deriveKey(passphrase, saltBytes), ivBytes);
  decipher.setAAD(Buffer.from(FORMAT));
  decipher.setAuthTag(tagBytes);
  try {
    return new Secret(Buffer.concat([decipher.update(key, 'base64'), decipher.final()]).toString('utf8'));
  } catch {
    return null;
  }
}
type Three = [Buffer, Buffer, Buffer];

function readSealed(text: string): Sealed | null {
  try {
    const found = JSON.parse(text) as Partial<Sealed>;
    const { format, salt, iv, tag, key } = found;
    return format === FORMAT && [salt, iv, tag, key].every((one) => typeof one === 'string') ? (found as Sealed) : null;
  } catch {
    return null;
  }
}

function deriveKey(passphrase: Secret, salt: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase.reveal(), salt, KEY_BYTES, SCRYPT, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}
