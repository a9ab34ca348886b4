// Fuzzes what the CA reads of strangers: requests and names. Nothing throws, and OpenSSL agrees with what is accepted.
import assert from 'node:assert/strict';
import { verify } from 'node:crypto';
import { test } from 'node:test';
import { Random } from '../../src/base/clock.ts';
import { isSpiffeId, parseSpiffeId, spiffeId } from '../../src/base/spiffe.ts';
import { parseNodeId } from '../../src/base/node-id.ts';
import { readSigningRequest } from '../../src/ca/signing/request.ts';
import { parseCredentialName } from '../../src/control/credentials/credential-name.ts';
import { makeCertificateRequest } from '../../src/identity/certificate-request.ts';
import { pemText, readPem } from '../../src/wire/pem-text.ts';
import { requestNames } from '../support/certificate-authority.ts';
import { openssl } from '../support/ca-rig.ts';
import { fuzzLimits } from './proto-mutator.ts';

const { seconds, seed } = fuzzLimits(3);
const LABEL = 'CERTIFICATE REQUEST';
const ID = 'spiffe://cluster.local/ns/bookinfo/sa/reviews';
const CORPUS = [
  makeCertificateRequest(ID).request,
  makeCertificateRequest('').request,
  openssl([
    ...['req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', '/dev/null'],
    ...['-subj', '/O=x/CN=y', '-addext', `subjectAltName=URI:${ID},DNS:a.b`],
  ]),
].map((pem) => readPem(pem, [LABEL]) as Buffer);
const TEXTS = [ID, 'sidecar~10.0.0.1~a.b~b.svc.cluster.local', 'kubernetes-gateway://a/b-cacert', 'kubernetes://a'];
/** How many of the accepted ones OpenSSL is asked about: each is a process. */
const ASKED = 10;

function mutate(random: Random, from: Buffer): Buffer {
  let bytes = Buffer.from(from);
  for (let i = random.below(4); i >= 0 && bytes.length > 0; i--) {
    const at = random.below(bytes.length);
    const kind = random.below(5);
    if (kind < 2) bytes[at] = random.below(256);
    else if (kind === 2) bytes[at] = [0, 1, 0x7f, 0x80, 0x81, 0x84, 0xff, 0x30, 0x2f, 0x7e][random.below(10)] as number;
    else if (kind === 3) bytes = bytes.subarray(0, at);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(3))]);
  }
  return bytes;
}

test(`certificate requests, ${seconds} s from seed ${seed}`, (t) => {
  const random = new Random(seed);
  const until = performance.now() + seconds * 1000;
  let [inputs, read, good, asked] = [0, 0, 0, 0];
  while (performance.now() < until) {
    const bytes = mutate(random, CORPUS[random.below(CORPUS.length)] as Buffer);
    inputs++;
    try {
      const request = readSigningRequest(pemText(LABEL, bytes));
      if (typeof request === 'string') continue;
      read++;
      for (const { text } of request.names) assert.ok(text.length <= bytes.length);
      if (!verify(request.digest, request.body, request.publicKey, request.signature)) continue;
      // Only what no change reached is signed still.
      good++;
      if (asked++ < ASKED)
        assert.equal(requestNames(pemText(LABEL, bytes)).startsWith('URI:'), request.names.length > 0);
    } catch (error) {
      throw new Error(`seed ${seed}, input ${inputs}: ${bytes.toString('hex')}`, { cause: error });
    }
  }
  t.diagnostic(`${inputs} inputs, ${read} of them a request, ${good} of those signed by its key`);
});

test(`names, from seed ${seed}`, () => {
  const random = new Random(seed);
  for (let i = 0; i < 50_000; i++) {
    const text = mutate(random, Buffer.from(TEXTS[i % TEXTS.length] as string)).latin1Slice();
    const account = parseSpiffeId(text);
    if (account !== null) {
      assert.equal(spiffeId(account), text);
      assert.ok(isSpiffeId(text));
    }
    const node = parseNodeId(text);
    if (typeof node !== 'string') {
      assert.equal(`${node.role}~${node.ip}~${node.name}.${node.namespace}~${node.domain}`, text);
    }
    const credential = parseCredentialName(text, 'own');
    if (typeof credential !== 'string') {
      assert.ok(/^[a-z0-9.-]+$/.test(credential.namespace + credential.name), text);
      assert.ok(!credential.name.includes('..') || !credential.name.includes('/'));
    }
  }
});
