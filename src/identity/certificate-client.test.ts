// Tests the certificate client against an authority of the test's own: renewal, failures, and roots that change.
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import { makeCa, makeCertificate, type TestCertificate } from '../../test/support/certificates.ts';
import { requestKey } from '../../test/support/certificate-authority.ts';
import { Clock, Random } from '../base/clock.ts';
import { StatStore } from '../telemetry/metrics.ts';
import { pemBlocks } from '../net/tls/pem.ts';
import { CERTIFICATE_CLIENT_STATS, CertificateClient, type SignResult } from './certificate-client.ts';

const START_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;

function setUp() {
  const clock = new Clock({ manual: true, wallMs: START_MS });
  const stats = new StatStore();
  const rig = {
    ...{ clock, stats, ca: makeRoot('one'), lifeMs: 24 * HOUR_MS, asked: [] as number[], logs: [] as string[] },
    resets: 0,
    answer: null as ((request: string) => SignResult) | null,
    client: null as unknown as CertificateClient,
    value(name: keyof typeof CERTIFICATE_CLIENT_STATS): number {
      const scope = stats.scope('certificate_client.', CERTIFICATE_CLIENT_STATS);
      return scope.value(scope.i[name]);
    },
  };
  const good = (request: string): SignResult => ({
    chain: [sign(rig.ca, request, clock.wallMs, rig.lifeMs), rig.ca.pem],
  });
  rig.client = new CertificateClient(
    {
      ...{
        clock,
        stats,
        random: new Random(7),
        log: (level: string, text: string) => rig.logs.push(`${level} ${text}`),
      },
      backOff: { nextMs: () => 1000, reset: () => rig.resets++ },
      sign(request, validityS, done) {
        assert.equal(validityS, 86_400);
        rig.asked.push(clock.wallMs - START_MS);
        done((rig.answer ?? good)(request));
        return () => {};
      },
    },
    'spiffe://test/ns/a/sa/b',
    86_400,
  );
  return rig;
}

function makeRoot(name: string): TestCertificate {
  return makeCa(name, { notBefore: new Date(START_MS - HOUR_MS), notAfter: new Date(START_MS + 10_000 * HOUR_MS) });
}

function sign(ca: TestCertificate, request: string, nowMs: number, lifeMs: number): string {
  const times = { notBefore: new Date(nowMs - HOUR_MS), notAfter: new Date(nowMs + lifeMs) };
  return makeCertificate({ issuer: ca, key: requestKey(request), ...times }).pem;
}

const rootCount = (roots: string | undefined): number => pemBlocks(Buffer.from(roots ?? ''), 'CERTIFICATE').length;

test('a certificate is renewed between 50 and 80 % of its life, each time under a new key', () => {
  const { client, clock, asked, ...rig } = setUp();
  const keys = new Set<string>();
  client.onChange(() => keys.add(client.current?.key ?? ''));
  client.start();
  client.start();
  assert.equal(asked.length, 1);
  for (let i = 0; i < 24 * 10 * 4; i++) clock.advance(HOUR_MS / 4);
  const gaps = asked.slice(1).map((at, i) => (at - (asked[i] as number)) / (24 * HOUR_MS));
  assert.ok(gaps.length >= 12, String(gaps));
  assert.ok(
    gaps.every((gap) => gap >= 0.5 && gap <= 0.812),
    String(gaps),
  );
  assert.ok(new Set(gaps).size > 3, 'all at the same point');
  assert.equal(keys.size, asked.length);
  assert.equal(rootCount(client.current?.roots), 1);
  assert.equal(rig.value('csr_sent'), asked.length);
  client.close();
  clock.advance(48 * HOUR_MS);
  assert.equal(asked.length, keys.size);
});

test('what an authority must not answer is refused, and the last good one stays', () => {
  const rig = setUp();
  const { client, clock, logs } = rig;
  const other = makeRoot('other');
  const stranger = makeCertificate({ issuer: rig.ca }).pem;
  const bad: Readonly<Record<string, readonly [(request: string) => SignResult, RegExp]>> = {
    error: [() => ({ error: '16 who are you' }), /16 who are you/],
    empty: [() => ({ chain: [] }), /has 0 parts/],
    alone: [(request) => ({ chain: [sign(rig.ca, request, clock.wallMs, HOUR_MS)] }), /has 1 parts/],
    garbage: [() => ({ chain: ['garbage', rig.ca.pem] }), /an empty part/],
    broken: [
      () => ({ chain: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', rig.ca.pem] }),
      /no certificate/,
    ],
    'another key': [() => ({ chain: [stranger, rig.ca.pem] }), /another key/],
    'another root': [
      (request) => ({ chain: [sign(rig.ca, request, clock.wallMs, HOUR_MS), other.pem] }),
      /does not lead to its root/,
    ],
    over: [(request) => ({ chain: [sign(rig.ca, request, clock.wallMs, -1000), rig.ca.pem] }), /over already/],
  };
  client.start();
  const first = client.current;
  assert.ok(first !== null);
  const failures = Object.entries(bad);
  for (let i = 0; rig.asked.length < 2 && i < 100; i++) {
    rig.answer = (failures[0] as (typeof failures)[number])[1][0];
    clock.advance(HOUR_MS / 4);
  }
  for (const [name, [answer, text]] of failures) {
    rig.answer = answer;
    clock.advance(1008);
    assert.match(logs.at(-1) ?? '', text, name);
    assert.match(logs.at(-1) ?? '', /the last one still holds; again in 1000 ms/, name);
    assert.equal(client.current, first);
  }
  assert.ok(rig.value('csr_failed') >= failures.length);
  rig.answer = null;
  clock.advance(1008);
  assert.notEqual(client.current, first);
  assert.equal(rig.resets, 2);
});

test('the old root is believed in until certificates under it are over', () => {
  const rig = setUp();
  const { client, clock } = rig;
  client.start();
  const { ca } = rig;
  rig.ca = makeRoot('two');
  let both = 0;
  for (let i = 0; i < 24 * 4; i++) {
    clock.advance(HOUR_MS);
    const { roots = '' } = client.current ?? {};
    if (roots.includes(ca.pem.trim()) && roots.includes(rig.ca.pem.trim())) both++;
  }
  // Until the first renewal after one whole life.
  assert.ok(both >= 24 && both <= 24 + 20, String(both));
  assert.equal(rootCount(client.current?.roots), 1);
  assert.equal(createPublicKey(client.current?.chain ?? '').asymmetricKeyType, 'ec');
  assert.equal(rig.value('roots'), 1);
});
