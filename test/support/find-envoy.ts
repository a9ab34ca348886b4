// Finds the real Envoy that tests compare with, and decides between skipping and failing when it is missing.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PROJECT_ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export type EnvoyLookup = { readonly path: string } | { readonly path: null; readonly reason: string };

/** Looks in HEDDLE_ENVOY, then in .peers/ of the project. */
export function findEnvoy(): EnvoyLookup {
  const named = process.env['HEDDLE_ENVOY'];
  if (named !== undefined && named !== '') {
    return existsSync(named) ? { path: named } : { path: null, reason: `HEDDLE_ENVOY names no file: ${named}` };
  }
  const installed = join(PROJECT_ROOT, '.peers', 'bin', 'envoy');
  if (existsSync(installed)) return { path: installed };
  return { path: null, reason: 'the real Envoy is not installed (npm run peers installs it into .peers/)' };
}

/** True where a missing peer must fail the run instead of skipping tests. */
export function arePeersRequired(): boolean {
  return process.env['HEDDLE_REQUIRE_PEERS'] === '1';
}
