// The words of messages, as users of istioctl match on them; their order; and which are not told.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { analyzeFiles, NOW_MS, saidOf } from '../../../test/analyze/rig.ts';
import { type CertificateSpec, makeCertificate } from '../../../test/support/certificates.ts';
import { documentationOf, originOf, reaches, referenceOf } from './message.ts';
import { isTold, parseSuppression, type Suppression } from './suppress.ts';
import { fillTemplate } from './template.ts';

const DAY_MS = 86_400_000;

function virtualService(spec: string, name = 'reviews', namespace = 'prod'): string {
  const metadata = `{name: ${name}, namespace: ${namespace}}`;
  return `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: ${metadata}\nspec: ${spec}\n---\n`;
}

describe('the words of messages', () => {
  it('fill templates as Go does', () => {
    assert.equal(fillTemplate('%s %d %v %q', ['a', 1, ['b', 2], 'c"d']), 'a 1 [b 2] "c\\"d"');
    assert.equal(fillTemplate('%s|%v|%q', [undefined, null]), '||""');
  });

  it('are those of istioctl', () => {
    const [host] = analyzeFiles({
      'reviews.yaml': virtualService('{hosts: [a], http: [{route: [{destination: {host: b}}]}]}'),
    });
    assert.ok(host !== undefined);
    assert.equal(host.text, 'Referenced host not found: "b"');
    assert.equal(host.level, 'Error');
    assert.equal(originOf(host), 'VirtualService prod/reviews');
    assert.equal(referenceOf(host), 'reviews.yaml:4:51');
    assert.match(documentationOf(host), /\/reference\/config\/analysis\/ist0101\/\?ref=/);
  });

  it('name all that are in conflict', () => {
    const text = virtualService('{hosts: [a], http: [{directResponse: {status: 200}}]}', 'one');
    const said = saidOf(text + virtualService('{hosts: [a], http: [{directResponse: {status: 200}}]}', 'two'));
    const words =
      'The VirtualServices prod/one,prod/two associated with mesh gateway define the same host ' +
      '*/a.prod.svc.cluster.local which can lead to undefined behavior. This can be fixed by merging the conflicting ' +
      'VirtualServices into a single resource.';
    assert.deepEqual(said, [`IST0109 VirtualService prod/one: ${words}`, `IST0109 VirtualService prod/two: ${words}`]);
  });

  it('list hosts and ports as Go prints slices', () => {
    const gateway =
      'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: prod}\n' +
      'spec: {selector: {a: b}, servers: [{port: {number: 80, name: h, protocol: HTTP}, hosts: [c.example]}]}\n---\n';
    const text = virtualService(
      '{hosts: [a.example, b.example], gateways: [g], http: [{directResponse: {status: 200}}]}',
    );
    assert.deepEqual(saidOf(gateway + text), [
      'IST0132 VirtualService prod/reviews: one or more host [a.example b.example] defined in VirtualService ' +
        'prod/reviews not found in Gateway prod/g.',
    ]);
  });

  it('say the worst first, and nothing twice', () => {
    const text = virtualService(
      '{hosts: [a.example], gateways: [nowhere], http: [{directResponse: {status: 200}}, ' +
        '{match: [{uri: {exact: /a}}, {uri: {exact: /b}}], directResponse: {status: 200}}, ' +
        '{match: [{uri: {prefix: /c}}, {uri: {prefix: /c}}], directResponse: {status: 200}}]}',
    );
    const messages = analyzeFiles({ 'a.yaml': text });
    assert.deepEqual(
      messages.map(({ code, level }) => `${level} ${code}`),
      ['Error IST0101', 'Warning IST0130', 'Warning IST0130'],
    );
    assert.ok(reaches('Error', 'Warning') && reaches('Warning', 'Warning') && !reaches('Info', 'Warning'));
  });
});

describe('credentials of gateways', () => {
  const day = (offset: number): Date => new Date(NOW_MS + offset * DAY_MS);

  function saidWith(spec: CertificateSpec, keys = ['tls.crt', 'tls.key']): string[] {
    const certificate = makeCertificate({ notBefore: day(-10), notAfter: day(10), ...spec });
    const encoded = [certificate.pem, certificate.keyPem].map((pem) => Buffer.from(pem).toString('base64'));
    const data = `{${keys[0]}: ${encoded[0]}, ${keys[1]}: ${encoded[1]}}`;
    const text =
      `apiVersion: v1\nkind: Secret\nmetadata: {name: c, namespace: edge}\ndata: ${data}\n---\n` +
      'apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: edge, labels: {a: b}}\n' +
      'spec: {containers: [{name: c, image: i}]}\n---\n' +
      'apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: edge}\n' +
      'spec: {selector: {a: b}, ports: [{name: https, port: 443}]}\n---\n' +
      'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: prod}\n' +
      'spec: {selector: {a: b}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: [c.example], ' +
      'tls: {mode: SIMPLE, credentialName: c}}]}\n';
    return saidOf(text);
  }

  it('may be good', () => {
    assert.deepEqual(saidWith({}), []);
    assert.deepEqual(saidWith({}, ['cert', 'key']), []);
  });

  it('may have expired, not begun, lack a key, or be none', () => {
    const said = [
      'IST0161 Gateway prod/g: The credential referenced by the Gateway g in namespace edge is invalid, which can ' +
        'cause the traffic not to work as expected.',
    ];
    assert.deepEqual(saidWith({ notAfter: day(-1) }), said);
    assert.deepEqual(saidWith({ notBefore: day(1) }), said);
    assert.deepEqual(saidWith({}, ['tls.crt', 'other']), said);
    assert.deepEqual(saidWith({}, ['tls.key', 'tls.crt']), said);
  });

  it('must be where the proxies are', () => {
    const text =
      'apiVersion: v1\nkind: Secret\nmetadata: {name: c, namespace: prod}\n---\n' +
      'apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: edge, labels: {a: b}}\n' +
      'spec: {containers: [{name: c, image: i}]}\n---\n' +
      'apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: edge}\n' +
      'spec: {selector: {a: b}, ports: [{name: https, port: 443}]}\n---\n' +
      'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: prod}\n' +
      'spec: {selector: {a: b}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: [c.example], ' +
      'tls: {mode: SIMPLE, credentialName: c}}]}\n';
    assert.deepEqual(saidOf(text), ['IST0101 Gateway prod/g: Referenced credentialName not found: "c"']);
  });
});

describe('messages that are not told', () => {
  const messages = analyzeFiles({
    'a.yaml': virtualService('{hosts: [a], gateways: [nowhere], http: [{directResponse: {status: 200}}]}'),
  });
  const toldWith = (texts: readonly string[], namespace: string | null = null): number => {
    const suppressions = texts.map(parseSuppression).filter((one): one is Suppression => one !== null);
    assert.equal(suppressions.length, texts.length);
    return messages.filter((message) => isTold(message, suppressions, namespace)).length;
  };

  it('are named by code and object', () => {
    assert.equal(toldWith([]), 1);
    for (const text of [
      'IST0101=VirtualService prod/reviews',
      'IST0101=VirtualService reviews.prod',
      'IST0101=VirtualService *.prod',
      'IST0101=Virtual*prod/*',
      'IST0101=*',
    ]) {
      assert.equal(toldWith([text]), 0, text);
    }
    for (const text of [
      'IST0102=VirtualService prod/reviews',
      'IST0101=VirtualService prod/review',
      'IST0101=VirtualService *.test',
      'IST0101=Virtual',
      'IST0101=.*',
      'IST0101=',
    ]) {
      assert.equal(toldWith([text]), 1, text);
    }
    assert.equal(parseSuppression('IST0101'), null);
    assert.equal(parseSuppression('a=b=c'), null);
  });

  it('are of other namespaces', () => {
    assert.equal(toldWith([], 'prod'), 1);
    assert.equal(toldWith([], 'test'), 0);
  });
});
