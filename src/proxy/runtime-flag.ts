// A switch that the runtime may turn (envoy.config.core.v3.RuntimeFeatureFlag).
import type { Runtime } from './http/filter.ts';

export type RuntimeFlagPb = { default_value?: boolean; runtime_key?: string };
export type RuntimeFlag = { readonly key: string; readonly fallback: boolean };

export const RUNTIME_FLAG_FIELDS = {
  'envoy.config.core.v3.RuntimeFeatureFlag': 'default_value runtime_key',
} as const;

/** Null when it is not set: always on. A flag without a default is on too (Envoy's FeatureFlag). */
export function decodeRuntimeFlag(message: RuntimeFlagPb | undefined): RuntimeFlag | null {
  if (message === undefined) return null;
  return Object.freeze({ key: message.runtime_key ?? '', fallback: message.default_value ?? true });
}

export function isOn(flag: RuntimeFlag | null, runtime: Runtime): boolean {
  return flag === null || runtime.boolean(flag.key, flag.fallback);
}
