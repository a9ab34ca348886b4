// Commands about TLS: nothing where there is nothing to tell, and names as Envoy joins them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCa, makeCertificate } from '../../../test/support/certificates.ts';
import type { TlsFacts } from '../../base/byte-stream.ts';
import { Certificate } from '../../net/tls/certificate.ts';
import { exampleDecoder, exampleExchange } from './test-exchange.ts';
import { compileFormat } from './text-formatter.ts';
import { TLS_COMMANDS, urlEncoded } from './tls-commands.ts';

function shown(format: string, tls: TlsFacts | null): string {
  const exchange = exampleExchange();
  Object.assign(exchange.info, { connection: { ...exchange.info.connection, tls }, upstreamTls: tls });
  return compileFormat(format, exampleDecoder()).format(exchange);
}

const root = makeCa('top');
const ca = makeCa('root', { issuer: root });
const peer = makeCertificate({
  issuer: ca,
  serial: 10n,
  sans: [{ uri: 'u:1' }, { uri: 'u:2' }, { dns: 'd' }, { ip: '::1' }, { email: 'e@x' }],
  notBefore: new Date('2026-01-02T03:04:05Z'),
});
const facts: TlsFacts = {
  version: 'TLSv1.2',
  cipher: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  alpn: '',
  sni: '',
  peerCertificate: new Certificate(peer.der, [ca.der, root.der]),
  isPeerVerified: true,
  localCertificate: new Certificate(ca.der),
  isResumed: false,
  sessionId: 'ab',
};

test('plain text tells nothing', () => {
  for (const name of Object.keys(TLS_COMMANDS)) assert.equal(shown(`%${name}%`, null), '-', name);
});

test('a session and its certificates', () => {
  const sans = ['URI', 'DNS', 'IP', 'EMAIL', 'OTHERNAME'].map((kind) => `%DOWNSTREAM_PEER_${kind}_SAN%`);
  assert.equal(shown(sans.join(' '), facts), 'u:1,u:2 d ::1 e@x -');
  assert.equal(shown('%UPSTREAM_PEER_URI_SAN% %UPSTREAM_LOCAL_URI_SAN%', facts), 'u:1,u:2 -');
  assert.equal(shown('%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_SESSION_ID%', facts), 'TLSv1.2 ab');
  assert.equal(shown('%DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_ISSUER%', facts), 'CN=test CN=root');
  assert.equal(shown('%DOWNSTREAM_LOCAL_SUBJECT% %DOWNSTREAM_PEER_SERIAL%', facts), 'CN=root 0a');
  assert.equal(shown('%DOWNSTREAM_PEER_CHAIN_SERIALS%', facts).split(',').length, 2);
  assert.equal(shown('%DOWNSTREAM_PEER_CERT_V_START%', facts), '2026-01-02T03:04:05.000Z');
  assert.equal(shown('%DOWNSTREAM_PEER_CERT_V_START(%Y/%m/%d)%', facts), '2026/01/02');
  assert.equal(shown('%DOWNSTREAM_PEER_CERT%', facts), urlEncoded(peer.pem));
});

test('PEM in one word', () => {
  assert.equal(urlEncoded('-----BEGIN A-----\na+/=\n'), '-----BEGIN%20A-----%0Aa%2B%2F%3D%0A');
});
