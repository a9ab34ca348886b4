// The bootstrap of `heddle agent`, judged by the real Envoy.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeBootstrap } from '../../src/agent/bootstrap/bootstrap.ts';
import { readSettings } from '../../src/agent/config/environment.ts';
import { arePeersRequired, findEnvoy } from '../support/find-envoy.ts';

const envoy = findEnvoy();
const missing = envoy.path !== null || arePeersRequired() ? false : envoy.reason;

test('the real Envoy accepts its bootstrap', { skip: missing }, () => {
  const variables = {
    ...{ POD_NAME: 'cart-1', POD_NAMESPACE: 'shop', SERVICE_ACCOUNT: 'cart', INSTANCE_IP: '10.0.0.1' },
    ...{ ISTIO_METAJSON_LABELS: '{"app": "cart"}', EXIT_ON_ZERO_ACTIVE_CONNECTIONS: '1' },
  };
  const settings = readSettings({}, { variables, addresses: [], readText: () => null });
  assert.ok(!('error' in settings), JSON.stringify(settings));
  const options = { proxy: { kind: 'envoy' }, xdsSocket: '/run/XDS', sdsSocket: '/run/sds' } as const;
  const directory = mkdtempSync(join(tmpdir(), 'heddle-bootstrap-'));
  try {
    const path = join(directory, 'bootstrap.json');
    writeFileSync(path, JSON.stringify(makeBootstrap(settings, options)));
    const args = ['--mode', 'validate', '-c', path, '--use-dynamic-base-id', '-l', 'error'];
    assert.match(execFileSync(envoy.path ?? '', args).toString(), /OK/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
