// Checks what each policy of x-forwarded-client-cert makes of a client, and how often it is made.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeConnection, requestHeaders } from '../../../test/support/filter-harness.ts';
import type { CertificateFacts, TlsFacts } from '../../base/byte-stream.ts';
import { H } from '../../wire/header-names.ts';
import { StreamInfo } from '../stream-info.ts';
import { type ClientCertPolicy, type ClientCertTexts, mutateClientCert, SANITIZE } from './client-cert-header.ts';

type Names = { uriSans?: string[]; dnsSans?: string[]; subject?: string };

/** Counts how often somebody asks for the digest, which each text has once. */
function certificate(names: Names, asked = { count: 0 }): CertificateFacts {
  const facts = { uriSans: [], dnsSans: [], subject: '', issuer: 'CN=ca', pem: 'a b\n', chain: [], ...names };
  return Object.defineProperty(facts, 'sha256', {
    get() {
      asked.count++;
      return 'ab12';
    },
  }) as unknown as CertificateFacts;
}

function client(peerCertificate: CertificateFacts | null): StreamInfo {
  const localCertificate = certificate({ uriSans: ['spiffe://me', 'urn:too'] });
  const tls = { peerCertificate, localCertificate } as Partial<TlsFacts> as TlsFacts;
  return new StreamInfo(makeConnection({ tls }), 0, 0);
}

const policyOf = (fields: Partial<ClientCertPolicy>): ClientCertPolicy => ({ ...SANITIZE.policy, ...fields });

function ask(info: StreamInfo, policy: Partial<ClientCertPolicy>, given?: string): string | null | undefined {
  const headers = requestHeaders('/', given === undefined ? [] : [`x-forwarded-client-cert: ${given}`]);
  mutateClientCert(headers, { policy: policyOf(policy), choose: null }, info, null);
  return headers.unsendable === null ? headers.get(H['x-forwarded-client-cert']) : null;
}

test('who shows no certificate is believed nothing', () => {
  for (const info of [client(null), new StreamInfo(makeConnection(), 0, 0)]) {
    for (const mode of ['SANITIZE', 'FORWARD_ONLY', 'APPEND_FORWARD', 'SANITIZE_SET'] as const) {
      assert.equal(ask(info, { mode }, 'By=x'), undefined, mode);
    }
    assert.equal(ask(info, { mode: 'ALWAYS_FORWARD_ONLY' }, 'By=x'), 'By=x');
  }
});

test('text names all, and an empty URI', () => {
  const info = client(certificate({ subject: 'CN=c', dnsSans: ['d'] }));
  const policy = { mode: 'SANITIZE_SET', subject: true, uri: true, dns: true, issuer: true, cert: true } as const;
  assert.equal(
    ask(info, policy, 'By=x'),
    'By=spiffe://me;By=urn:too;Hash=ab12;Cert="a%20b%0A";Subject="CN=c";URI=;DNS=d;Issuer="CN=ca"',
  );
});

test('what is there decides the form of what is added', () => {
  const info = client(certificate({ uriSans: ['u'] }));
  const json = '{"by":["spiffe://me","urn:too"],"hash":"ab12","uri":["u"]}';
  const text = 'By=spiffe://me;By=urn:too;Hash=ab12;URI=u';
  const append = { mode: 'APPEND_FORWARD', uri: true } as const;
  assert.equal(ask(info, { ...append, isJson: true }, 'By=x'), `By=x,${text}`);
  assert.equal(ask(info, append, '[1]'), `[1,${json}]`);
  assert.equal(ask(info, { ...append, isJson: true }), `[${json}]`);
});

test('a name that would end the line ends the request', () => {
  const info = client(certificate({ uriSans: ['a\r\nevil: 1'] }));
  assert.equal(ask(info, { mode: 'SANITIZE_SET', uri: true }), null);
  assert.match(ask(info, { mode: 'SANITIZE_SET', uri: true, isJson: true }) ?? '', /"uri":\["a\\r\\nevil: 1"\]/);
});

test('a text is made once for each policy in turn', () => {
  const asked = { count: 0 };
  const info = client(certificate({ uriSans: ['u'] }, asked));
  const first = policyOf({ mode: 'SANITIZE_SET' });
  const second = policyOf({ mode: 'SANITIZE_SET', uri: true });
  let known: ClientCertTexts | null = null;
  for (const policy of [first, first, first, second, second]) {
    known = mutateClientCert(requestHeaders('/'), { policy: first, choose: () => policy }, info, known);
  }
  assert.equal(asked.count, 2);
});
