// Writes PKCS #12 files for tests: the key encrypted, the certificates in the open, a MAC over both.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { spreadPassword } from '../../src/net/tls/pkcs12.ts';
import type { TestCertificate } from './certificates.ts';
import { type Der, explicit, integer, NULL, octets, oid, sequence } from './der-writer.ts';

const DATA = '1.2.840.113549.1.7.1';
const SHA256 = '2.16.840.1.101.3.4.2.1';
const ITERATIONS = 2048;
const FOR_MAC = 3;

const dataOf = (contents: Der): Der => sequence(oid(DATA), explicit(0, octets(contents)));

export type Pkcs12Spec = {
  readonly password: string;
  /** The leaf first, as a rule. */
  readonly certificates: readonly TestCertificate[];
  /** Whose key goes in; null for none. */
  readonly keyOf: TestCertificate | null;
  readonly hasMac?: boolean;
};

export function makePkcs12({ password, certificates, keyOf, hasMac = true }: Pkcs12Spec): Buffer {
  const bags = certificates.map(({ der }) =>
    sequence(
      oid('1.2.840.113549.1.12.10.1.3'),
      explicit(0, sequence(oid('1.2.840.113549.1.9.22.1'), explicit(0, octets(der)))),
    ),
  );
  if (keyOf !== null) {
    const key = keyOf.key.export({ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase: password });
    bags.push(sequence(oid('1.2.840.113549.1.12.10.1.2'), explicit(0, key)));
  }
  const safe = sequence(dataOf(sequence(...bags)));
  return sequence(integer(3), dataOf(safe), ...(hasMac ? [macOf(safe, password)] : []));
}

function macOf(content: Buffer, password: string): Der {
  const salt = randomBytes(8);
  const spread = Buffer.from(`${password}\0`, 'utf16le').swap16();
  const length = createHash('sha256').digest().length;
  const of = { hash: 'sha256', password: spread, salt, iterations: ITERATIONS };
  const key = spreadPassword({ ...of, purpose: FOR_MAC, length });
  const digest = createHmac('sha256', key).update(content).digest();
  const info = sequence(sequence(oid(SHA256), NULL), octets(digest));
  return sequence(info, octets(salt), integer(ITERATIONS));
}
