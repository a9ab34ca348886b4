// What the configuration of the certificate client is refused for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromJson } from '../../proto/json-decode.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import { CERTIFICATE_CLIENT, type CertificateClientConfig, decodeCertificateClient } from './certificate-client.ts';

function decode(json: unknown): { config: CertificateClientConfig | null; reasons: string[] } {
  const report = new Report();
  const message = fromJson(registry.message(CERTIFICATE_CLIENT) as never, json as never, report);
  assert.deepEqual(report.problems, []);
  const d = new ConfigDecoder({ unpack: () => null, variables: {} } as never);
  const config = decodeCertificateClient(message as never, d, (name) => name === 'ca');
  return { config, reasons: d.reasons.map(({ path, reason }) => `${path}: ${reason}`) };
}

const authority = { envoy_grpc: { cluster_name: 'ca' } };

test('defaults are those of Istio', () => {
  const { config, reasons } = decode({ certificate_authority: authority });
  assert.deepEqual(reasons, []);
  const { target, ...rest } = config as CertificateClientConfig;
  assert.equal(target.clusterName, 'ca');
  assert.deepEqual(rest, { tokenPath: '', identity: '', validityS: 86_400, sdsClusterName: 'sds-grpc' });
});

const wrong: Readonly<Record<string, readonly [object, RegExp]>> = {
  'no authority': [{}, /^certificate_authority: is required$/],
  'no such cluster': [
    { certificate_authority: { envoy_grpc: { cluster_name: 'none' } } },
    /^certificate_authority\.envoy_grpc\.cluster_name: unknown cluster 'none'$/,
  ],
  'another scheme': [{ identity: 'https://a/b' }, /^identity: is no SPIFFE ID: "https:\/\/a\/b"$/],
  'no path': [{ identity: 'spiffe://a' }, /^identity: is no SPIFFE ID/],
  'a path upwards': [{ identity: 'spiffe://a/ns/../b' }, /^identity: is no SPIFFE ID/],
  'no validity': [{ validity: '0s' }, /^validity: must be whole seconds/],
  'parts of seconds': [{ validity: '1.5s' }, /^validity: must be whole seconds/],
  'a validity without end': [{ validity: '999999999s' }, /^validity: must be whole seconds/],
  'no such token': [{ token_path: '/no/token' }, /^token_path: .*'\/no\/token' does not exist$/],
};
for (const [name, [fields, text]] of Object.entries(wrong)) {
  test(`refuses: ${name}`, () => {
    const json = name === 'no authority' ? fields : { certificate_authority: authority, ...fields };
    const { reasons } = decode(json);
    assert.equal(reasons.length, 1, String(reasons));
    assert.match(reasons[0] ?? '', text);
  });
}
