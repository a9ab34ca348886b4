// Sessions are resumed only where the same is trusted: every pair of ways to trust, and every way to change one.
import assert from 'node:assert/strict';
import { createHash, createPublicKey } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { any, type Fields, filter } from '../differential/config.ts';
import {
  ca,
  client,
  downstreamTls,
  otherCa,
  server,
  strangeClient,
  type TlsContext,
  trusted,
} from '../differential/cases/tls-fixtures.ts';
import { makeCertificate, makeCrl, type TestCertificate } from '../support/certificates.ts';
import type { TlsClientOptions, TlsVersion } from '../support/tls-client.ts';
import { httpsListener, TlsRig } from './tls-rig.ts';

const VERSIONS: readonly TlsVersion[] = ['TLSv1.2', 'TLSv1.3'];

const hash = createHash('sha256').update(client.der).digest('hex');
const spki = createHash('sha256')
  .update(createPublicKey(client.key).export({ type: 'spki', format: 'der' }))
  .digest('base64');
const other: Fields = { trusted_ca: { inline_string: otherCa.pem } };
const uri = (exact: string): Fields => ({ match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact } }] });
const OWN_URI = 'spiffe://test/ns/a/sa/b';

type Way = {
  readonly tls: TlsContext;
  readonly shows: TestCertificate | null;
  readonly like?: string;
  readonly hasTickets?: boolean;
};

/** Ways to trust, each with a client that it lets in; `like` names one that trusts alike. */
const WAYS: Readonly<Record<string, Way>> = {
  nobody: { tls: { validation: null }, shows: null },
  'nobody-too': { tls: { validation: null }, shows: null, like: 'nobody' },
  'nobody-required': { tls: { validation: null, requires: true }, shows: null },
  optional: { tls: { validation: trusted }, shows: client },
  required: { tls: { validation: trusted, requires: true }, shows: client },
  'required-too': { tls: { validation: trusted, requires: true }, shows: client, like: 'required' },
  'other-ca': { tls: { validation: other, requires: true }, shows: strangeClient },
  'other-optional': { tls: { validation: other }, shows: strangeClient },
  'both-cas': {
    tls: { validation: { trusted_ca: { inline_string: ca.pem + otherCa.pem } }, requires: true },
    shows: client,
  },
  named: { tls: { validation: { ...trusted, ...uri(OWN_URI) }, requires: true }, shows: client },
  'named-else': {
    tls: { validation: { ...trusted, ...uri('https://client.example/?a=1,2;3&b="x y"') }, requires: true },
    shows: client,
  },
  pinned: { tls: { validation: { ...trusted, verify_certificate_hash: [hash] }, requires: true }, shows: client },
  'pinned-alone': { tls: { validation: { verify_certificate_hash: [hash] }, requires: true }, shows: client },
  'key-pinned': { tls: { validation: { ...trusted, verify_certificate_spki: [spki] }, requires: true }, shows: client },
  crl: {
    tls: { validation: { ...trusted, crl: { inline_string: makeCrl({ issuer: ca }) } }, requires: true },
    shows: client,
  },
  'crl-revoking': {
    tls: {
      validation: { ...trusted, crl: { inline_string: makeCrl({ issuer: ca, revoked: [client] }) } },
      requires: true,
    },
    shows: null,
    hasTickets: false,
  },
  expired: {
    tls: { validation: { ...trusted, allow_expired_certificate: true }, requires: true },
    shows: client,
    hasTickets: false,
  },
  untrusted: {
    tls: { validation: { ...trusted, trust_chain_verification: 'ACCEPT_UNTRUSTED' }, requires: true },
    shows: strangeClient,
  },
  shallow: {
    tls: { validation: { ...trusted, max_verify_depth: 1 }, requires: true },
    shows: client,
    hasTickets: false,
  },
};

/** Chains of one port, chosen by server name, that trust differently. */
const inspector = filter('tls', 'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector');
const chainsListener = ((): Fields => {
  const base = httpsListener('chains', {}) as { filter_chains: readonly Fields[] };
  const [chain = {}] = base.filter_chains;
  const chainOf = (name: string, tls: TlsContext): Fields => ({
    ...chain,
    name,
    filter_chain_match: { server_names: [`${name}.example`] },
    transport_socket: downstreamTls(tls),
  });
  const filter_chains = [
    chainOf('first', { requires: true }),
    chainOf('second', { requires: true, validation: other }),
    chainOf('open', { validation: null }),
  ];
  return { ...base, listener_filters: [inspector], filter_chains };
})();

const only = (version: TlsVersion): TlsClientOptions => ({ versions: [version, version] });
const showing = (certificate: TestCertificate | null): TlsClientOptions =>
  certificate === null ? {} : { certificate };
const nameOf = (certificate: TestCertificate): string => (certificate === client ? 'CN=client' : 'CN=stranger');

describe('a session of one trust never resumes at another', () => {
  let rig: TlsRig;
  before(async () => {
    const contexts = Object.fromEntries(Object.entries(WAYS).map(([name, { tls }]) => [name, tls]));
    rig = await TlsRig.start(contexts, { listeners: [chainsListener] });
  });
  after(() => rig.stop());

  for (const version of VERSIONS) {
    it(`${version}: all pairs of ways to trust`, async () => {
      const wrong: string[] = [];
      let attempts = 0;
      for (const [from, way] of Object.entries(WAYS)) {
        const saved = await rig.ask(from, {
          ...only(version),
          ...showing(way.shows),
          save: `${from} ${version}`,
          awaitSession: way.hasTickets ?? true,
        });
        if (from === 'crl-revoking') assert.equal(saved.peer, null, 'a revoked client is let in');
        else assert.notEqual(saved.peer, null, `${from} refuses its own client: ${saved.error}`);
        for (const [to, target] of Object.entries(WAYS)) {
          attempts++;
          const mayResume = to === from || target.like === from || way.like === to;
          // Whatever the client shows now: the attack is to come with a session alone.
          const seen = await rig.ask(to, { ...only(version), resume: `${from} ${version}` });
          if (seen.isResumed && !mayResume) wrong.push(`${from} resumes at ${to} as ${seen.peer}`);
          const needsOne = target.tls.requires === true && target.tls.validation !== null;
          if (seen.peer !== null && needsOne && !seen.isResumed) wrong.push(`${to} lets in who shows nothing`);
          if (seen.peer !== null && seen.isResumed && way.shows !== null && !seen.peer.includes(nameOf(way.shows))) {
            wrong.push(`${from} at ${to} is taken for ${seen.peer}`);
          }
        }
      }
      assert.deepEqual(wrong, []);
      assert.equal(attempts, Object.keys(WAYS).length ** 2);
    });

    it(`${version}: the same trust resumes`, async () => {
      const resumed: Record<string, boolean> = {};
      for (const [name, { shows, hasTickets = true }] of Object.entries(WAYS)) {
        if (shows === null && name === 'crl-revoking') continue;
        const save = `same ${name} ${version}`;
        await rig.ask(name, { ...only(version), ...showing(shows), save, awaitSession: hasTickets });
        const seen = await rig.ask(name, { ...only(version), ...showing(shows), resume: save });
        assert.notEqual(seen.peer, null, name);
        resumed[name] = seen.isResumed;
      }
      // Where our own verdict counts and not OpenSSL's, there are no tickets.
      const { expired, shallow, ...rest } = resumed;
      assert.deepEqual({ expired, shallow }, { expired: false, shallow: false });
      assert.deepEqual(
        Object.entries(rest).filter(([, isResumed]) => !isResumed),
        [],
      );
    });

    it(`${version}: chains of one port keep theirs apart`, async () => {
      const names = { first: client, second: strangeClient, open: null } as const;
      for (const [from, shows] of Object.entries(names)) {
        const save = `chain ${from} ${version}`;
        const saved = await rig.ask('chains', {
          ...only(version),
          ...showing(shows),
          serverName: `${from}.example`,
          save,
        });
        assert.notEqual(saved.peer, null, from);
        for (const to of Object.keys(names)) {
          const seen = await rig.ask('chains', { ...only(version), serverName: `${to}.example`, resume: save });
          assert.equal(seen.isResumed, from === to, `${from} → ${to}`);
          if (from !== to && to !== 'open') assert.equal(seen.peer, null, `${from} → ${to}`);
        }
      }
    });

    it(`${version}: a certificate that has expired since ends its sessions`, async () => {
      const brief = makeCertificate({ issuer: ca, subject: 'brief', notAfter: new Date(Date.now() + 2500) });
      const save = `brief ${version}`;
      const first = await rig.ask('required', { ...only(version), certificate: brief, save });
      assert.equal(first.peer, 'CN=brief');
      const second = await rig.ask('required', { ...only(version), certificate: brief, resume: save, save });
      assert.deepEqual([second.peer, second.isResumed], ['CN=brief', true]);
      await sleep(3600);
      const late = await rig.ask('required', { ...only(version), certificate: brief, resume: save });
      assert.equal(late.peer, null);
    });
  }
});

const SECRETS = 'envoy.extensions.transport_sockets.tls.v3.Secret';
const discovered = (secret: Fields): string => JSON.stringify({ resources: [any(SECRETS, secret)] });
const roots = (of: TestCertificate): string =>
  discovered({ name: 'roots', validation_context: { trusted_ca: { inline_string: of.pem } } });
const identity = (of: TestCertificate): string =>
  discovered({
    name: 'identity',
    tls_certificate: { certificate_chain: { inline_string: of.chainPem }, private_key: { inline_string: of.keyPem } },
  });
const fileSecret = (name: string): Fields => ({
  name,
  sds_config: { path_config_source: { path: `{{dir}}/${name}.json`, watched_directory: { path: '{{dir}}' } } },
});

/** A context whose certificate and CA come from files. */
const rotating: TlsContext = {
  certificates: [],
  validation: null,
  requires: true,
  common: {
    tls_certificate_sds_secret_configs: [fileSecret('identity')],
    validation_context_sds_secret_config: fileSecret('roots'),
  },
};

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let waitedMs = 0; waitedMs < 5000; waitedMs += 50) {
    if (await condition()) return;
    await sleep(50);
  }
  assert.fail(`${what} did not happen`);
}

describe('sessions across changes', () => {
  let rig: TlsRig;
  before(async () => {
    const files = { 'roots.json': roots(ca), 'identity.json': identity(server) };
    rig = await TlsRig.start({ rotating }, { files, arguments: ['--concurrency', '2'] });
  });
  after(() => rig.stop());
  const updates = (): Promise<number> =>
    rig.stat('listener.rotating.server_ssl_socket_factory.ssl_context_update_by_sds');

  for (const version of VERSIONS) {
    it(`${version}: workers resume each other's`, async () => {
      const save = `workers ${version}`;
      await rig.ask('rotating', { ...only(version), certificate: client, save });
      const seen = [];
      for (let i = 0; i < 16; i++)
        seen.push(await rig.ask('rotating', { ...only(version), certificate: client, resume: save }));
      assert.equal(seen.filter(({ isResumed, peer }) => isResumed && peer?.includes('CN=client') === true).length, 16);
    });

    it(`${version}: a new certificate of ours ends none`, async () => {
      const save = `identity ${version}`;
      await rig.ask('rotating', { ...only(version), certificate: client, save });
      const before = await updates();
      const next = makeCertificate({ issuer: ca, subject: `next ${version}`, sans: [{ dns: 'test.example' }] });
      rig.write('identity.json', identity(next));
      await until('the rotation', async () => (await updates()) >= before + 2);
      const fresh = await rig.run('rotating', [{ tls: { ...only(version), certificate: client } }]);
      assert.equal(fresh.tls?.server, `CN=next ${version}`);
      const seen = await rig.ask('rotating', { ...only(version), certificate: client, resume: save });
      assert.equal(seen.isResumed, true);
    });

    it(`${version}: another CA ends them all`, async () => {
      const save = `roots ${version}`;
      await rig.ask('rotating', { ...only(version), certificate: client, save });
      const start = await updates();
      rig.write('roots.json', roots(otherCa));
      await until('the rotation', async () => (await updates()) >= start + 2);
      for (let i = 0; i < 6; i++) {
        const seen = await rig.ask('rotating', { ...only(version), certificate: client, resume: save });
        assert.deepEqual([seen.isResumed, seen.peer], [false, null]);
      }
      const stranger = await rig.ask('rotating', { ...only(version), certificate: strangeClient });
      assert.equal(stranger.peer, 'CN=stranger');
      rig.write('roots.json', roots(ca));
      await until('the way back', async () => (await updates()) >= start + 4);
    });
  }
});
