// What is said when a control plane cannot start.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { ControlOptions } from './options.ts';
import { listenProblem, startProblem } from './start-checks.ts';

const place = mkdtempSync(join(tmpdir(), 'heddle-start-'));
after(() => rmSync(place, { recursive: true, force: true }));
writeFileSync(join(place, 'file'), '');
const any = { host: '127.0.0.1', port: 0 };
const GOOD: ControlOptions = {
  ...{
    config: [{ path: place, kind: 'objects' }],
    plain: any,
    secure: any,
    http: any,
    stateDirectory: join(place, 'a/b'),
    caDirectory: null,
  },
  ...{
    passphraseFile: null,
    cluster: '',
    clusterDomain: '',
    network: '',
    scopesGateways: false,
    serverNames: [],
    tokens: null,
  },
  assignsAddresses: false,
  parentFd: null,
  pageTokenFile: null,
  trustsLoopback: false,
};

test('what is wrong is said with what to do', () => {
  const tokens = { issuer: 'me', jwksFile: join(place, 'none'), audience: '' };
  const TABLE: readonly (readonly [Partial<ControlOptions>, RegExp])[] = [
    [
      { config: [{ path: join(place, 'none'), kind: 'objects' }] },
      /^--config \S+: there is nothing; name the directory/,
    ],
    [{ config: [{ path: '/proc/heddle', kind: 'overlay' }] }, /^--config-overlay \S+: .+; name a directory/],
    [{ stateDirectory: join(place, 'file') }, /^--state-dir \S+: it is no directory; name another one$/],
    [{ stateDirectory: join(place, 'file/x') }, /^--state-dir \S+: Not a directory; name a directory/],
    [{ stateDirectory: '/proc/heddle' }, /^--state-dir \S+: .+; name a directory/],
    [{ passphraseFile: join(place, 'none') }, /^--ca-key-passphrase-file \S+: it cannot be read; name a file/],
    [{ tokens }, /^--token-jwks \S+: it cannot be read; name the file with the keys of me$/],
  ];
  for (const [more, expected] of TABLE) assert.match(startProblem({ ...GOOD, ...more }) ?? '', expected);
  assert.equal(
    listenProblem('--http-address', { host: '127.0.0.1', port: 1 }, 'EADDRINUSE'),
    '--http-address 127.0.0.1:1: Address already in use; ' +
      'stop what listens there, or choose another with --http-address HOST:PORT',
  );
});

test('a state directory is made for its owner; one that is there stays as open as it is', () => {
  assert.equal(startProblem(GOOD), null);
  assert.equal(statSync(join(place, 'a/b')).mode & 0o777, 0o700);
  const shared = join(place, 'shared');
  mkdirSync(shared);
  chmodSync(shared, 0o755);
  assert.equal(startProblem({ ...GOOD, stateDirectory: shared }), null);
  assert.equal(statSync(shared).mode & 0o777, 0o755);
});
