// `heddle trust` with the system's real programs, in a mount namespace where its store is a copy: curl trusts a gateway
// after --install, and not after --remove.
import { deepEqual, equal, match, notEqual } from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findProgram } from '../../src/up/launch/capability.ts';
import { freePort } from '../support/free-ports.ts';
import { directoryWith, leftBehind, run, WEB, webManifest } from './mesh-rig.ts';

const LOCAL = '/usr/local/share/ca-certificates';
const HTTPS = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: ingress, namespace: default }
spec:
  selector: { app: ingress }
  servers:
    - port: { number: 80, name: https, protocol: HTTPS }
      hosts: ['*']
      tls: { mode: SIMPLE, credentialName: nobody-has-it }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web, namespace: default }
spec: { hosts: ['*'], gateways: [ingress], http: [{ route: [{ destination: { host: web } }] }] }
`;

/** Runs the lines where the system's store is a copy of its own, with few roots: each takes a while. */
const script = (port: number): string => `set -u
cp -a /etc/ssl/certs "$2/certs" && mount --bind "$2/certs" /etc/ssl/certs
mkdir -p ${LOCAL} && mount -t tmpfs tmpfs ${LOCAL}
grep '^[a-z]' /etc/ca-certificates.conf | head -3 >"$2/conf" && mount --bind "$2/conf" /etc/ca-certificates.conf
cd "$1"; shift 2
ask() { curl -sS -o /dev/null -m 10 https://localhost:${port}/ 2>/dev/null; echo "$1: curl $?"; }
"$@" up -d >/dev/null; echo "up: $?"
ask before
"$@" trust; echo "trust: $?"
"$@" trust --install </dev/null; echo "unasked: $?"
"$@" trust --install --yes; echo "install: $?"
ls ${LOCAL}
"$@" trust --install --yes; echo "again: $?"
ask installed
"$@" trust --remove -y; echo "remove: $?"
ls ${LOCAL}
ask removed
"$@" trust --remove -y; echo "again: $?"
"$@" down
`;

test('the root of gateways into the system, and out of it', async (t) => {
  const missing = ['update-ca-certificates', 'curl', 'unshare'].filter((name) => findProgram(name) === null);
  if (process.getuid?.() !== 0 || missing.length > 0) return t.skip(`needs root, and ${missing.join(', ')}`);
  const port = await freePort();
  const manifest = webManifest(port).replace('protocol: http, host', 'protocol: https, host');
  const directory = directoryWith(t, { 'heddle.yaml': manifest, 'web.mjs': WEB, 'mesh/web.yaml': HTTPS });
  const home = directoryWith(t, {});
  const wrap = ['unshare', '--mount', 'sh', '-c', script(port), 'sh', directory, home];
  const { stdout, stderr } = await run(t, [], { wrap, environment: { HOME: home } });
  const file = join(directory, '.heddle/gateway-ca/root.pem');
  const { fingerprint256, issuer } = new X509Certificate(readFileSync(file));
  match(stdout, /: gateways of [^\\]*, for development\n/);
  match(stdout, new RegExp(`file +${file}\n +until +\\d{4}-\\d\\d-\\d\\d\n +SHA-256 +${fingerprint256}\n`));
  const name = `heddle-gateways-${fingerprint256.replaceAll(':', '').slice(0, 16).toLowerCase()}.crt`;
  const words = stdout.split('\n').filter((line) => /^\w+: |^heddle-|^the system /.test(line));
  const system = `the system (${LOCAL})`;
  deepEqual(
    words.filter((line) => line !== ''),
    [
      ...['up: 0', 'before: curl 60', 'trust: 0', 'unasked: 2', `${system} has it now`, 'install: 0', name],
      ...[`${system} has it already`, 'again: 0', 'installed: curl 0', `${system} has it no more`, 'remove: 0'],
      ...['removed: curl 60', `${system} does not have it`, 'again: 0'],
    ],
    stdout + stderr,
  );
  match(stderr, /heddle: nobody is there to ask: add --yes\n/);
  // Never the mesh's.
  const mesh = new X509Certificate(readFileSync(join(directory, '.heddle/control/root-cert.pem')));
  notEqual(mesh.fingerprint256, fingerprint256);
  notEqual(mesh.issuer, issuer);
  equal(existsSync(join(LOCAL, name)), false);
  deepEqual(await leftBehind(directory), []);
});

test('a mesh without such a root, and no mesh at all', async (t) => {
  const directory = directoryWith(t, { 'heddle.yaml': 'workloads:\n  a: { command: sleep 9 }\n' });
  const none = await run(t, ['trust', directory]);
  equal(none.code, 1);
  match(
    none.stderr,
    /^heddle: there is no \S+\/gateway-ca\/root\.pem: heddle up makes it when a Gateway names a certificate/,
  );
  const both = await run(t, ['trust', '--install', '--remove', directory]);
  equal(both.code, 2);
  const nowhere = await run(t, ['trust'], { cwd: '/' });
  match(nowhere.stderr, /^heddle: no mesh runs here/);
});
