// The mesh's roots in PEM texts, as a control plane tells them.
import { X509Certificate } from 'node:crypto';
import type { TrustRoot } from '../../identity/issued-chain.ts';
import { pemBlocks } from '../../net/tls/pem.ts';

/** A text says why none of them is taken. */
export function bundleRoots(texts: readonly string[]): readonly TrustRoot[] | string {
  const blocks = texts.flatMap((text) => pemBlocks(Buffer.from(text, 'latin1'), 'CERTIFICATE'));
  try {
    return blocks.map((block) => {
      const { fingerprint256, validTo } = new X509Certificate(block);
      return { id: fingerprint256, pem: `${block}\n`, validToMs: Date.parse(validTo) };
    });
  } catch (error) {
    return `a root cannot be read: ${(error as Error).message}`;
  }
}
