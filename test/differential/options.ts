// What the environment says about a differential run.
import { type Way, WAYS } from './http2-of-http1.ts';
import { findEnvoy } from '../support/find-envoy.ts';
import { canStartHeddle } from '../support/proxy-process.ts';
import type { ProxyKind } from '../support/proxy-process.ts';

/** The proxy compared with Envoy: Heddle, or Envoy itself with HEDDLE_DIFF_SELF=1. */
export const other: ProxyKind = process.env['HEDDLE_DIFF_SELF'] === '1' ? 'envoy' : 'heddle';

/** HEDDLE_DIFF_ONLY chooses cases by `group / name`. */
export const only = new RegExp(process.env['HEDDLE_DIFF_ONLY'] ?? '');
/** HEDDLE_DIFF_WAY says what can be said so with HTTP/2 on a side or on both. */
export const way: Way | undefined = WAYS.find((one) => one === process.env['HEDDLE_DIFF_WAY']);
export const isWholeRun = process.env['HEDDLE_DIFF_ONLY'] === undefined && way === undefined;

export function reasonToSkip(): string | false {
  const envoy = findEnvoy();
  if (envoy.path === null) return envoy.reason;
  return other === 'heddle' && !canStartHeddle() ? 'Heddle cannot be started: there is no bin/heddle' : false;
}
