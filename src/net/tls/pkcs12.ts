// Opens PKCS #12 files (RFC 7292): the certificates and the key in them, as PEM.
import {
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  pbkdf2Sync,
  timingSafeEqual,
  X509Certificate,
} from 'node:crypto';
import {
  contextTag,
  DER_OCTET_STRING,
  type DerElement,
  derChildren,
  derInteger,
  oidText,
  readDer,
} from '../../wire/der.ts';

/** Either may be empty: Envoy says which one it misses. The leaf, which fits the key, comes first. */
export type Pkcs12Content = { readonly chain: string; readonly key: string };

const PKCS7_DATA = '1.2.840.113549.1.7.1';
const PKCS7_ENCRYPTED = '1.2.840.113549.1.7.6';
const KEY_BAG = '1.2.840.113549.1.12.10.1.1';
const SHROUDED_KEY_BAG = '1.2.840.113549.1.12.10.1.2';
const CERTIFICATE_BAG = '1.2.840.113549.1.12.10.1.3';
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1';
const PBES2 = '1.2.840.113549.1.5.13';
const PBKDF2 = '1.2.840.113549.1.5.12';
const PBE_SHA1_3DES = '1.2.840.113549.1.12.1.3';

/** PRFs and digests by OID. */
const DIGESTS: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};
const CIPHERS: Readonly<Record<string, readonly [name: string, keyBytes: number]>> = {
  '2.16.840.1.101.3.4.1.2': ['aes-128-cbc', 16],
  '2.16.840.1.101.3.4.1.22': ['aes-192-cbc', 24],
  '2.16.840.1.101.3.4.1.42': ['aes-256-cbc', 32],
  '1.2.840.113549.3.7': ['des-ede3-cbc', 24],
};
/** What the bytes that a password is spread to are for (RFC 7292 appendix B.3). */
const FOR_KEY = 1;
const FOR_IV = 2;
const FOR_MAC = 3;

/** More would be an attack on who opens the file. */
const MAX_ITERATIONS = 10_000_000;
const MAX_BAGS = 1000;

const EXPLICIT_0 = contextTag(0, true);
const IMPLICIT_0 = contextTag(0, false);

/** Null when it is no such file, or the password is another. */
export function openPkcs12(bytes: Buffer, password: string): Pkcs12Content | null {
  try {
    return new Opener(bytes, password).open();
  } catch {
    // Ciphers throw on a wrong padding; what is not DER ends as `Malformed`.
    return null;
  }
}

class Malformed extends Error {}

/** A value with the buffer that its positions count in. */
type Node = { readonly bytes: Buffer; readonly at: DerElement };

class Opener {
  readonly #file: Node;
  /** UTF-16 with its final zero, as this format wants passwords; tried in order. */
  readonly #passwords: readonly Buffer[];
  readonly #password: string;
  #spread: Buffer = Buffer.alloc(0);
  readonly #certificates: X509Certificate[] = [];
  #key = '';
  #bags = 0;

  constructor(bytes: Buffer, password: string) {
    this.#file = rootOf(bytes);
    this.#password = password;
    const spread = Buffer.from(`${password}\0`, 'utf16le').swap16();
    // Without a password some programs hash nothing, and some its final zero.
    this.#passwords = password === '' ? [spread, Buffer.alloc(0)] : [spread];
  }

  open(): Pkcs12Content {
    const [, authSafe, mac] = childrenOf(this.#file);
    const content = octetsOf(contentOf(need(authSafe), PKCS7_DATA));
    this.#spread = this.#checkMac(content, mac);
    for (const info of childrenOf(rootOf(content))) this.#readContent(info);
    return { chain: this.#chain(), key: this.#key };
  }

  /** The password that the MAC was made with. */
  #checkMac(content: Buffer, mac: Node | undefined): Buffer {
    // BoringSSL takes no file without one, either.
    if (mac === undefined) throw new Malformed();
    const [info, saltNode, rounds] = childrenOf(mac);
    const [algorithm, digest] = childrenOf(need(info));
    const hash = need(DIGESTS[oidOf(need(childrenOf(need(algorithm))[0]))]);
    const salt = bytesOf(need(saltNode));
    const iterations = rounds === undefined ? 1 : numberOf(rounds);
    const expected = bytesOf(need(digest));
    for (const password of this.#passwords) {
      const length = createHash(hash).digest().length;
      const key = spreadPassword({ hash, password, salt, iterations, purpose: FOR_MAC, length });
      const found = createHmac(hash, key).update(content).digest();
      if (found.length === expected.length && timingSafeEqual(found, expected)) return password;
    }
    throw new Malformed();
  }

  #readContent(info: Node): void {
    const type = oidOf(need(childrenOf(info)[0]));
    if (type === PKCS7_DATA) this.#readBags(octetsOf(contentOf(info, PKCS7_DATA)));
    else {
      const [, encrypted] = childrenOf(contentOf(info, PKCS7_ENCRYPTED));
      const [, algorithm, data] = childrenOf(need(encrypted));
      if (data?.at.tag !== IMPLICIT_0) throw new Malformed();
      this.#readBags(this.#decrypt(need(algorithm), bytesOf(data)));
    }
  }

  #readBags(contents: Buffer): void {
    for (const bag of childrenOf(rootOf(contents))) {
      if (++this.#bags > MAX_BAGS) throw new Malformed();
      const [id, value] = childrenOf(bag);
      if (value?.at.tag !== EXPLICIT_0) throw new Malformed();
      const inner = need(childrenOf(value)[0]);
      this.#readBag(oidOf(need(id)), inner);
    }
  }

  #readBag(id: string, value: Node): void {
    if (id === CERTIFICATE_BAG) {
      const [type, certificate] = childrenOf(value);
      if (oidOf(need(type)) !== X509_CERTIFICATE) return;
      const der = octetsOf(need(childrenOf(need(certificate))[0]));
      this.#certificates.push(new X509Certificate(der));
      return;
    }
    if (id === KEY_BAG) this.#useKey(wholeOf(value));
    if (id !== SHROUDED_KEY_BAG) return;
    const [algorithm, data] = childrenOf(value);
    this.#useKey(this.#decrypt(need(algorithm), octetsOf(need(data))));
  }

  #useKey(der: Buffer): void {
    if (this.#key !== '') return;
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    this.#key = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  }

  /** The one that fits the key in front; without a key there is nothing to tell it by. */
  #chain(): string {
    if (this.#key === '') return '';
    const key = createPrivateKey(this.#key);
    const leaf = this.#certificates.find((one) => one.checkPrivateKey(key));
    if (leaf === undefined) return '';
    return [leaf, ...this.#certificates.filter((one) => one !== leaf)].map((one) => one.toString()).join('');
  }

  #decrypt(algorithm: Node, data: Buffer): Buffer {
    const [id, parameters] = childrenOf(algorithm);
    const type = oidOf(need(id));
    if (type === PBES2) return this.#decryptPbes2(need(parameters), data);
    if (type !== PBE_SHA1_3DES) throw new Malformed();
    const [saltNode, rounds] = childrenOf(need(parameters));
    const salt = bytesOf(need(saltNode));
    const of = { hash: 'sha1', password: this.#spread, salt, iterations: numberOf(need(rounds)) };
    const key = spreadPassword({ ...of, purpose: FOR_KEY, length: 24 });
    const iv = spreadPassword({ ...of, purpose: FOR_IV, length: 8 });
    return run('des-ede3-cbc', key, iv, data);
  }

  /** RFC 8018 §6.2. */
  #decryptPbes2(parameters: Node, data: Buffer): Buffer {
    const [kdf, scheme] = childrenOf(parameters);
    const [kdfId, kdfParameters] = childrenOf(need(kdf));
    const [schemeId, iv] = childrenOf(need(scheme));
    if (oidOf(need(kdfId)) !== PBKDF2) throw new Malformed();
    const [cipher, keyBytes] = need(CIPHERS[oidOf(need(schemeId))]);
    const [salt, rounds, ...rest] = childrenOf(need(kdfParameters));
    const prf = rest.find((one) => one.at.tag === need(kdf).at.tag);
    const hash = prf === undefined ? 'sha1' : need(DIGESTS[oidOf(need(childrenOf(prf)[0]))]);
    const key = pbkdf2Sync(this.#password, octetsOf(need(salt)), numberOf(need(rounds)), keyBytes, hash);
    return run(cipher, key, octetsOf(need(iv)), data);
  }
}

function run(cipher: string, key: Buffer, iv: Buffer, data: Buffer): Buffer {
  const decipher = createDecipheriv(cipher, key, iv);
  return Buffer.concat([decipher.update(data), decipher.final()]);
}

export type Spread = {
  readonly hash: string;
  readonly password: Buffer;
  readonly salt: Buffer;
  readonly iterations: number;
  readonly purpose: number;
  readonly length: number;
};

/** RFC 7292 appendix B.2. */
export function spreadPassword({ hash, password, salt, iterations, purpose, length }: Spread): Buffer {
  const block = hash === 'sha384' || hash === 'sha512' ? 128 : 64;
  const diversifier = Buffer.alloc(block, purpose);
  let input = Buffer.concat([repeated(salt, block), repeated(password, block)]);
  const parts: Buffer[] = [];
  let made = 0;
  while (made < length) {
    let digest = createHash(hash).update(diversifier).update(input).digest();
    for (let i = 1; i < iterations; i++) digest = createHash(hash).update(digest).digest();
    parts.push(digest);
    made += digest.length;
    input = addToBlocks(input, repeated(digest, block).subarray(0, block), block);
  }
  return Buffer.concat(parts).subarray(0, length);
}

/** As often as it takes to fill whole blocks; nothing stays nothing. */
function repeated(bytes: Buffer, block: number): Buffer {
  const length = Math.ceil(bytes.length / block) * block;
  return length === 0 ? Buffer.alloc(0) : Buffer.alloc(length, bytes);
}

/** Each block, as a number, plus `summand` plus one. */
function addToBlocks(input: Buffer, summand: Buffer, block: number): Buffer<ArrayBuffer> {
  const sum = Buffer.from(input);
  for (let from = 0; from < sum.length; from += block) {
    let carry = 1;
    for (let i = block - 1; i >= 0; i--) {
      carry += (sum[from + i] as number) + (summand[i] as number);
      sum[from + i] = carry & 0xff;
      carry >>= 8;
    }
  }
  return sum;
}

// ─── DER ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function need<T>(value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Malformed();
  return value;
}

function rootOf(bytes: Buffer): Node {
  return { bytes, at: need(readDer(bytes, 0, bytes.length)) };
}

function childrenOf({ bytes, at }: Node): Node[] {
  return need(derChildren(bytes, at)).map((child) => ({ bytes, at: child }));
}

function bytesOf({ bytes, at }: Node): Buffer {
  return bytes.subarray(at.start, at.end);
}

function wholeOf({ bytes, at }: Node): Buffer {
  return bytes.subarray(at.from, at.end);
}

function octetsOf(node: Node): Buffer {
  if (node.at.tag !== DER_OCTET_STRING) throw new Malformed();
  return bytesOf(node);
}

function oidOf({ bytes, at }: Node): string {
  return need(oidText(bytes, at.start, at.end));
}

function numberOf({ bytes, at }: Node): number {
  const value = Number(need(derInteger(bytes, at)));
  if (value < 1 || value > MAX_ITERATIONS) throw new Malformed();
  return value;
}

/** What a ContentInfo of this type holds. */
function contentOf(info: Node, type: string): Node {
  const [id, content] = childrenOf(info);
  if (oidOf(need(id)) !== type || content?.at.tag !== EXPLICIT_0) throw new Malformed();
  return need(childrenOf(content)[0]);
}
