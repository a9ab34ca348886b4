// Files with a DiscoveryResponse in them: YAML, JSON, binary or text, by the ends of their names.
import { readFileSync, statSync } from 'node:fs';
import { load, YAMLException } from 'js-yaml';
import { decodeBinary } from '../../../proto/binary-decode.ts';
import type { DiscoveryResponse } from '../../../proto/generated/types.d.ts';
import { fromJson } from '../../../proto/json-decode.ts';
import { registry } from '../../../proto/registry.ts';
import { Report } from '../../../proto/report.ts';
import { decodeText } from '../../../proto/text-decode.ts';
import type { JudgeUnknown } from '../judge-unknown.ts';

/** Larger ones are not configuration. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

/** What tells one state of a file from the next: another file of that name, or other content in it. */
export function fileIdentity(path: string): string | null {
  try {
    const { dev, ino, ctimeNs, mtimeNs } = statSync(path, { bigint: true });
    return `${dev} ${ino} ${ctimeNs} ${mtimeNs}`;
  } catch {
    return null;
  }
}

/** Source: Envoy MessageUtil::loadFromFile; what it does not know by its end is JSON, which is YAML. */
export function readDiscoveryFile(path: string, judge: JudgeUnknown): DiscoveryResponse | { readonly error: string } {
  let bytes: Buffer;
  try {
    const { size } = statSync(path);
    if (size > MAX_FILE_BYTES) return { error: `${path} has more than ${MAX_FILE_BYTES} bytes` };
    bytes = readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { error: code === 'ENOENT' ? `Invalid path: ${path}` : `unable to read file: ${path}: ${message}` };
  }
  const type = registry.message('envoy.service.discovery.v3.DiscoveryResponse');
  const report = new Report();
  const isBinary = path.endsWith('.pb');
  if (isBinary || path.endsWith('.pb_text')) {
    const response = isBinary ? decodeBinary(type, bytes, report) : decodeText(type, bytes.toString('utf8'), report);
    return response === undefined ? { error: `${path}: ${report.toString()}` } : response;
  }
  const parsed = parseYaml(bytes.toString('utf8'));
  if ('error' in parsed) return { error: `${path}: ${parsed.error}` };
  const response = fromJson(type, parsed.value, report);
  if (!report.onlyUnknownFields) return { error: `${path}: ${report.toString()}` };
  const [refused] = judge(type as never, response, report, path);
  return refused === undefined ? response : { error: `${path}: ${refused.path}: ${refused.reason}` };
}

function parseYaml(text: string): { readonly value: unknown } | { readonly error: string } {
  try {
    const value = load(text) ?? {};
    if (typeof value === 'object' && !Array.isArray(value)) return { value };
    return { error: 'the file is not a mapping of fields' };
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const at = error.mark === undefined ? '' : ` at ${error.mark.line + 1}:${error.mark.column + 1}`;
    return { error: `broken YAML${at}: ${error.reason}` };
  }
}
