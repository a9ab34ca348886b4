// The mesh's roots in PEM texts, as a control plane tells them.
import { X509Certificate } from 'node:crypto';
import type { TrustRoot } from './issued-chain.ts';
import { pemBlocks } from '../net/tls/pem.ts';
import { decodeBinary } from '../proto/binary-decode.ts';
import { registry } from '../proto/registry.ts';

/** Istio's resource for agents. */
export const PROXY_CONFIG_TYPE = 'istio.mesh.v1alpha1.ProxyConfig';

/** Of an encoded istio.mesh.v1alpha1.ProxyConfig; a text says why none is taken. */
export function rootsOfProxyConfig(bytes: Uint8Array): readonly TrustRoot[] | string {
  const message = decodeBinary(registry.message(PROXY_CONFIG_TYPE), bytes) as
    | { readonly ca_certificates_pem?: readonly string[] }
    | undefined;
  return message === undefined ? `it is no ${PROXY_CONFIG_TYPE}` : bundleRoots(message.ca_certificates_pem ?? []);
}

function bundleRoots(texts: readonly string[]): readonly TrustRoot[] | string {
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
