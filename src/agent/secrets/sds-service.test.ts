// Secret discovery in both forms: what is asked for comes, changes follow, files are read again, refusals are said.
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeCa, makeCertificate, type TestCertificate } from '../../../test/support/certificates.ts';
import { Clock, Random } from '../../base/clock.ts';
import type { ServerCall } from '../../grpc/service.ts';
import { CertificateClient } from '../../identity/certificate-client.ts';
import { FileWatch } from '../../net/file-watch.ts';
import { decodeBinary } from '../../proto/binary-decode.ts';
import { registry } from '../../proto/registry.ts';
import { StatStore } from '../../telemetry/metrics.ts';
import { requestKey } from '../../../test/support/certificate-authority.ts';
import { SECRET_TYPE } from '../../identity/encoded-secret.ts';
import { sdsMethods } from './sds-service.ts';
import { SecretStore } from '../../identity/secret-store.ts';

const directory = mkdtempSync(join(tmpdir(), 'heddle-sds-'));
const closers: (() => void)[] = [];
after(() => {
  for (const close of closers) close();
  rmSync(directory, { recursive: true });
});

type Sent = { readonly names: readonly string[]; readonly nonce: string; readonly secrets: readonly SecretShape[] };
type SecretShape = {
  readonly name: string;
  readonly tls_certificate?: { readonly certificate_chain: { readonly inline_bytes: Uint8Array } };
  readonly validation_context?: { readonly trusted_ca: { readonly inline_bytes: Uint8Array } };
};

function setUp() {
  const clock = new Clock();
  const logs: string[] = [];
  const log = (level: string, text: string): void => void logs.push(`${level} ${text}`);
  const root = makeCa('root');
  let renew: (() => void) | null = null;
  const client = new CertificateClient(
    {
      ...{ clock, random: new Random(1), stats: new StatStore(), log, backOff: { nextMs: () => 10, reset: () => {} } },
      sign(request, _validityS, done) {
        const answer = (): void =>
          done({ chain: [makeCertificate({ issuer: root, key: requestKey(request) }).pem, root.pem] });
        // Only the first answer comes by itself.
        if (renew === null) answer();
        renew = answer;
        return () => {};
      },
    },
    '',
    3600,
  );
  const files = { clock, watcher: new FileWatch(), log, systemRootsPath: join(directory, 'system'), mounted: null };
  const store = new SecretStore({ client, files });
  closers.push(
    () => store.close(),
    () => client.close(),
  );
  const [sotw, delta] = sdsMethods({ store, log });
  assert.ok(sotw !== undefined && delta !== undefined);
  return { client, logs, root, store, sotw, delta };
}

/** A call of which what is sent is noted. */
function call() {
  const sent: Sent[] = [];
  const ended: string[] = [];
  const server = {
    send(message: Record<string, unknown>) {
      const resources = message['resources'] as readonly Record<string, unknown>[];
      const secrets = resources.map((one) => {
        const any = (one['resource'] ?? one) as { readonly value: Uint8Array };
        return decodeBinary(registry.message(SECRET_TYPE), Buffer.from(any.value)) as SecretShape;
      });
      sent.push({ names: secrets.map(({ name }) => name), nonce: String(message['nonce']), secrets });
    },
    end: (status?: { readonly message: string }) => void ended.push(status?.message ?? 'ok'),
  };
  return { sent, ended, server: server as unknown as ServerCall<unknown> };
}

const until = async (test: () => boolean): Promise<void> => {
  for (let i = 0; i < 300 && !test(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(test());
};

function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
  return path;
}

test('state of the world: each name is answered once, and again when it changed', () => {
  const { client, sotw, root, logs } = setUp();
  const { sent, server } = call();
  const handler = sotw.start(server);
  handler.onMessage({ resource_names: ['default', 'ROOTCA'], type_url: `type.googleapis.com/${SECRET_TYPE}` });
  assert.deepEqual(
    sent.map(({ names }) => names),
    [['default', 'ROOTCA']],
  );
  const [first] = sent;
  const pem = (secret: SecretShape | undefined): string =>
    Buffer.from(secret?.validation_context?.trusted_ca.inline_bytes ?? []).toString();
  assert.equal(pem(first?.secrets[1]).trim(), root.pem.trim());
  handler.onMessage({ resource_names: ['default', 'ROOTCA'], response_nonce: first?.nonce });
  assert.equal(sent.length, 1);
  const more = makeCa('more');
  client.setTrustBundle([{ id: 'more', pem: more.pem, validToMs: Date.now() + 1e6 }]);
  assert.deepEqual(sent.at(-1)?.names, ['ROOTCA']);
  assert.ok(pem(sent.at(-1)?.secrets[0]).includes(more.pem.trim()));
  handler.onMessage({
    resource_names: ['ROOTCA'],
    response_nonce: sent.at(-1)?.nonce,
    error_detail: { message: 'bad' },
  });
  assert.match(logs.join(), /the proxy refused default, ROOTCA: bad/);
  // Answers to older responses say nothing any more.
  handler.onMessage({ resource_names: ['nothing'], response_nonce: 'x' });
  client.setTrustBundle([]);
  assert.equal(sent.length, 3);
});

test('delta: names come and go, and what the proxy has is not sent again', () => {
  const { delta, client } = setUp();
  const one = call();
  const handler = delta.start(one.server);
  handler.onMessage({ resource_names_subscribe: ['default'] });
  assert.deepEqual(
    one.sent.map(({ names }) => names),
    [['default']],
  );
  handler.onMessage({ resource_names_subscribe: ['ROOTCA'], resource_names_unsubscribe: ['default'] });
  assert.deepEqual(one.sent.at(-1)?.names, ['ROOTCA']);
  // Whoever asks again wants it again.
  handler.onMessage({ resource_names_subscribe: ['ROOTCA'] });
  assert.equal(one.sent.length, 3);
  handler.onCancelled?.('closed');
  client.setTrustBundle([{ id: 'm', pem: makeCa('m').pem, validToMs: Date.now() + 1e6 }]);
  assert.equal(one.sent.length, 3);
  const { server, ended } = call();
  delta.start(server).onMessage({ type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' });
  assert.match(ended.join(), /this server has secrets/);
});

test('secrets in files are read, read again, and kept while they will not do', async () => {
  const { sotw, logs, root } = setUp();
  const one = makeCertificate({ issuer: root });
  const put = ({ pem, keyPem }: TestCertificate) => ({ chain: write('chain.pem', pem), key: write('key.pem', keyPem) });
  const { chain, key } = put(one);
  const name = `file-cert:${chain}~${key}`;
  const { sent, server } = call();
  const handler = sotw.start(server);
  handler.onMessage({ resource_names: [name, `file-root:${join(directory, 'later.pem')}`, 'file-cert:half'] });
  assert.deepEqual(
    sent.map(({ names }) => names),
    [[name]],
  );
  assert.match(logs.join(), /later\.pem/);
  write('key.pem', makeCertificate({ issuer: root }).keyPem);
  await until(() => logs.some((text) => text.includes('is the key of another certificate')));
  assert.equal(sent.length, 1);
  put(makeCertificate({ issuer: root }));
  await until(() => sent.length === 2);
  write('key.pem', 'no key');
  await until(() => logs.some((text) => text.includes('has no key that can be read')));
  assert.ok(logs.every((text) => !text.includes('no key\n')));
  handler.onCancelled?.('closed');
});
