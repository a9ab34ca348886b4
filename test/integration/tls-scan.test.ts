// A scanner's report of HTTPS is as good as Envoy's on the same configuration.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { locatePeer } from '../../scripts/peers.ts';
import type { TlsContext } from '../differential/cases/tls-fixtures.ts';
import { ca } from '../differential/cases/tls-fixtures.ts';
import { makeCertificate } from '../support/certificates.ts';
import { findEnvoy } from '../support/find-envoy.ts';
import { TlsRig } from './tls-rig.ts';

const sslyze = locatePeer('sslyze');
const envoy = findEnvoy();
const skip = 'missing' in sslyze ? sslyze.missing : envoy.path === null ? envoy.reason : false;

const SCANS = [
  ...['sslv2', 'sslv3', 'tlsv1', 'tlsv1_1', 'tlsv1_2', 'tlsv1_3', 'resum', 'early_data', 'ems', 'fallback'],
  ...['heartbleed', 'openssl_ccs', 'robot', 'elliptic_curves', 'compression', 'reneg'],
];
const MODERN = { tls_minimum_protocol_version: 'TLSv1_3' };
const rsa = makeCertificate({ issuer: ca, subject: 'rsa', key: 'rsa2048', sans: [{ dns: 'test.example' }] });

const CONTEXTS: Readonly<Record<string, TlsContext>> = {
  default: { validation: null, common: { alpn_protocols: ['http/1.1'] } },
  modern: { validation: null, common: { tls_params: MODERN } },
  rsa: { validation: null, certificates: [rsa] },
  mutual: { requires: true },
};

type Scan = { readonly status: string; readonly result: unknown; readonly error_reason: unknown };
type Report = { readonly server_scan_results: readonly { readonly scan_result: Readonly<Record<string, Scan>> }[] };

/** What sslyze says of a listener, without what is of this run. */
function scan(rig: TlsRig, listener: string): Record<string, unknown> {
  const path = join(rig.directory, `${listener}.json`);
  const flags = SCANS.map((name) => `--${name}`);
  const address = `127.0.0.1:${rig.port(listener)}`;
  const program = (sslyze as { readonly path: string }).path;
  spawnSync(program, [...flags, '--sni=test.example', `--json_out=${path}`, address], { timeout: 60_000 });
  const report = JSON.parse(readFileSync(path, 'utf8')) as Report;
  const scans = report.server_scan_results[0]?.scan_result ?? {};
  return Object.fromEntries(
    Object.entries(scans)
      .filter(([, { status }]) => status !== 'NOT_SCHEDULED')
      .map(([name, { result, error_reason }]) => [name, withoutKeys(result ?? error_reason)]),
  );
}

/**
 * Public keys are of one exchange; errors have OpenSSL's words; one cipher has two names. And sessions are carried by
 * tickets alone, so ids (of TLS 1.2 clients without tickets) resume none.
 */
const LEFT_OUT = /^(public_bytes|prime|generator|x|y|error_message|openssl_name|session_id_.*)$/;

function withoutKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutKeys);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !LEFT_OUT.test(key));
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutKeys(each)]));
}

describe('a scan of TLS', { skip }, () => {
  it('finds what it finds of Envoy', { timeout: 120_000 }, async () => {
    const rigs = await Promise.all((['envoy', 'heddle'] as const).map((kind) => TlsRig.start(CONTEXTS, { kind })));
    const [theirs, ours] = rigs as [TlsRig, TlsRig];
    try {
      for (const name of Object.keys(CONTEXTS)) {
        const seen = scan(ours, name);
        assert.ok(Object.keys(seen).length >= SCANS.length, `${name} was not scanned`);
        assert.deepEqual(seen, scan(theirs, name), name);
      }
    } finally {
      await Promise.all(rigs.map((rig) => rig.stop()));
    }
  });
});
