// The certificates of the bench: ECDSA P-256, as a mesh gives them out; both sides of each connection show one.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCa, makeCertificate } from '../../test/support/certificates.ts';

export type TlsFiles = {
  readonly ca: string;
  readonly server: { readonly chain: string; readonly key: string };
  readonly client: { readonly chain: string; readonly key: string };
};

export function writeTlsFiles(scratch: string): TlsFiles {
  const directory = join(scratch, 'tls');
  mkdirSync(directory);
  const write = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  const ca = makeCa('bench');
  const pair = (name: string): TlsFiles['server'] => {
    const sans = [{ dns: `${name}.bench` }, { uri: `spiffe://bench/ns/default/sa/${name}` }];
    const made = makeCertificate({ issuer: ca, subject: [['CN', name]], sans });
    return { chain: write(`${name}.pem`, made.chainPem), key: write(`${name}.key`, made.keyPem) };
  };
  return { ca: write('ca.pem', ca.pem), server: pair('server'), client: pair('client') };
}

/** For nginx as a server: TLS with a certificate, and one wanted of the client. */
export function nginxServerTls({ ca, server }: TlsFiles): string {
  return `ssl_certificate ${server.chain}; ssl_certificate_key ${server.key};
    ssl_client_certificate ${ca}; ssl_verify_client on; ssl_protocols TLSv1.2 TLSv1.3;`;
}

/** For nginx as a client: shows a certificate, and wants one that is trusted. */
export function nginxClientTls({ ca, client }: TlsFiles): string {
  return `proxy_ssl_certificate ${client.chain}; proxy_ssl_certificate_key ${client.key};
    proxy_ssl_trusted_certificate ${ca}; proxy_ssl_verify on; proxy_ssl_name server.bench;
    proxy_ssl_protocols TLSv1.2; proxy_ssl_session_reuse on;`;
}
