// Secrets as they are sent: encoded once, and told apart without a word of what is in them.
import { createHash } from 'node:crypto';
import { encodeBinary } from '../proto/binary-encode.ts';
import { registry } from '../proto/registry.ts';

export const SECRET_TYPE = 'envoy.extensions.transport_sockets.tls.v3.Secret';

/** `body`: an encoded Secret. */
export type EncodedSecret = { readonly name: string; readonly version: string; readonly body: Uint8Array };

/** PEM. */
export function certificateSecret(name: string, chain: string, key: string): EncodedSecret {
  return encode(name, {
    tls_certificate: { certificate_chain: { inline_bytes: bytes(chain) }, private_key: { inline_bytes: bytes(key) } },
  });
}

export function rootsSecret(name: string, roots: string): EncodedSecret {
  return encode(name, { validation_context: { trusted_ca: { inline_bytes: bytes(roots) } } });
}

function encode(name: string, content: object): EncodedSecret {
  const body = encodeBinary(registry.message(SECRET_TYPE), { name, ...content } as never);
  // Of a secret nothing is told but that it is another one.
  return { name, version: createHash('sha256').update(body).digest('hex').slice(0, 16), body };
}

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
