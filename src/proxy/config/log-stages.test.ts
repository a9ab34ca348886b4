// When access logs are written besides the end of an exchange: the options, and the fields before them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpConnectionManager } from '../../proto/generated/types.d.ts';
import { ConfigDecoder, type Reason } from '../config-decoder.ts';
import { decodeLogStages } from './log-stages.ts';

function decode(message: HttpConnectionManager): [unknown, Reason[]] {
  const reasons: Reason[] = [];
  return [decodeLogStages(message, new ConfigDecoder({ unpack: () => null }, '', reasons)), reasons];
}
const second = { seconds: 1n, nanos: 5_000_000 };

test('the options, and the fields before them', () => {
  const nothing = { start: false, tunnel: false, intervalMs: 0 };
  assert.deepEqual(decode({}), [nothing, []]);
  const options = { flush_access_log_on_new_request: true, flush_log_on_tunnel_successfully_established: true };
  assert.deepEqual(decode({ access_log_options: { ...options, access_log_flush_interval: second } }), [
    { start: true, tunnel: true, intervalMs: 1005 },
    [],
  ]);
  const old = { flush_access_log_on_new_request: true, access_log_flush_interval: second };
  assert.deepEqual(decode(old), [{ ...nothing, start: true, intervalMs: 1005 }, []]);
  const [, reasons] = decode({ ...old, access_log_options: {} });
  assert.deepEqual(
    reasons.map(({ path }) => path),
    ['flush_access_log_on_new_request', 'access_log_flush_interval'],
  );
});
