// Makes the certificates that the TLS examples name: bin/heddle-node examples/envoy/certificates.ts
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeCa, makeCertificate, type TestCertificate } from '../../test/support/certificates.ts';

/** Where the examples look for them, from the root of the clone. */
export const CERTIFICATE_DIRECTORY = 'examples/envoy/certificates';

const SECRET = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

/** One CA; a server for localhost, another for www.example.test, and a client, each with a SPIFFE identity. */
export function makeExampleCertificates(directory: string): void {
  const ca = makeCa('examples of Heddle');
  const identity = (account: string): { readonly uri: string } => ({
    uri: `spiffe://example.test/ns/default/sa/${account}`,
  });
  const server = makeCertificate({
    issuer: ca,
    subject: 'server',
    sans: [{ dns: 'localhost' }, { ip: '127.0.0.1' }, identity('server')],
  });
  const www = makeCertificate({ issuer: ca, subject: 'www', sans: [{ dns: 'www.example.test' }] });
  const client = makeCertificate({ issuer: ca, subject: 'client', sans: [identity('client')] });
  mkdirSync(directory, { recursive: true });
  const write = (name: string, text: string): void => writeFileSync(join(directory, name), text, { mode: 0o600 });
  write('ca.pem', ca.pem);
  for (const [name, one] of Object.entries({ server, www, client })) {
    write(`${name}.pem`, one.chainPem);
    write(`${name}.key`, one.keyPem);
  }
  write('server-secret.json', secretOf('server', server));
}

/** A file of secrets (SDS): written beside and moved into place, it is what the proxy uses next. */
function secretOf(name: string, one: TestCertificate): string {
  const tls_certificate = {
    certificate_chain: { inline_string: one.chainPem },
    private_key: { inline_string: one.keyPem },
  };
  return `${JSON.stringify({ resources: [{ '@type': SECRET, name, tls_certificate }] }, null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  makeExampleCertificates(CERTIFICATE_DIRECTORY);
  process.stdout.write(`wrote ${CERTIFICATE_DIRECTORY}/\n`);
}
