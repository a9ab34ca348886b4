// Reads a bootstrap from a file and from text, YAML or JSON: a protobuf message, or every reason why not.
import { readFileSync } from 'node:fs';
import { load, YAMLException } from 'js-yaml';
import type { Bootstrap } from '../../proto/generated/types.d.ts';
import { fromJson } from '../../proto/json-decode.ts';
import { decodeBinary } from '../../proto/binary-decode.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import type { Reason } from '../config-decoder.ts';

export type LoadOptions = {
  /** '' = none. */
  readonly path: string;
  /** YAML merged over the file; '' = none. */
  readonly yaml: string;
  readonly allowUnknownFields: boolean;
};

export type LoadResult =
  | { readonly bootstrap: Bootstrap; readonly warnings: readonly Reason[] }
  | { readonly error: string };

const BOOTSTRAP = 'envoy.config.bootstrap.v3.Bootstrap';

/** Source: Envoy InstanceUtil::loadBootstrapConfig: the file first, then `--config-yaml` merged into it. */
export function loadBootstrap(options: LoadOptions): LoadResult {
  if (options.path === '' && options.yaml === '') {
    return { error: 'at least one of --config-path or --config-yaml should be non-empty' };
  }
  const type = registry.message(BOOTSTRAP);
  const report = new Report();
  let merged: unknown = {};
  if (options.path !== '') {
    let bytes: Buffer;
    try {
      bytes = readFileSync(options.path);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const reason = code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'it is a directory' : message;
      return { error: `${options.path}: cannot read the configuration: ${reason}` };
    }
    if (/\.(pb|pb_text)$/.test(options.path)) return binary(bytes, options.path);
    const parsed = parseYaml(bytes.toString('utf8'), options.path);
    if ('error' in parsed) return parsed;
    merged = parsed.value;
  }
  if (options.yaml !== '') {
    const parsed = parseYaml(options.yaml, '--config-yaml');
    if ('error' in parsed) return parsed;
    merged = mergeMessages(merged, parsed.value);
  }
  const bootstrap = fromJson(type, merged, report) as Bootstrap;
  const origin = options.path === '' ? '--config-yaml' : options.path;
  const fatal = report.problems.filter((p) => p.kind !== 'unknown-field' || !options.allowUnknownFields);
  if (fatal.length > 0) {
    return { error: fatal.map((p) => `${origin}: ${p.path === '' ? '' : `${p.path}: `}${p.reason}`).join('\n') };
  }
  return { bootstrap, warnings: report.problems };
}

function binary(bytes: Buffer, path: string): LoadResult {
  if (path.endsWith('.pb_text')) return { error: `${path}: text protobuf is not supported: use YAML, JSON or .pb` };
  const report = new Report();
  const bootstrap = decodeBinary(registry.message(BOOTSTRAP), bytes, report) as Bootstrap | undefined;
  if (bootstrap === undefined || !report.isEmpty) return { error: `${path}: ${report.toString()}` };
  return { bootstrap, warnings: [] };
}

function parseYaml(text: string, origin: string): { readonly value: unknown } | { readonly error: string } {
  try {
    const value = load(text);
    if (value === undefined || value === null) return { value: {} };
    if (typeof value !== 'object' || Array.isArray(value)) {
      return { error: `${origin}: the configuration is not a mapping of fields` };
    }
    return { value };
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const at = error.mark === undefined ? '' : `:${error.mark.line + 1}:${error.mark.column + 1}`;
    return { error: `${origin}${at}: broken YAML: ${error.reason}` };
  }
}

/** Protobuf's MergeFrom on JSON: objects merge, lists append, everything else is replaced. */
function mergeMessages(base: unknown, over: unknown): unknown {
  if (Array.isArray(base) && Array.isArray(over)) return [...base, ...over];
  if (!isObject(base) || !isObject(over)) return over;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    merged[key] = key in merged ? mergeMessages(merged[key], value) : value;
  }
  return merged;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
