// Files with secrets: a DiscoveryResponse in YAML, JSON or binary with one Secret, and the files that it names.
import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { load, YAMLException } from 'js-yaml';
import { type Any, unpackAny } from '../../proto/any.ts';
import { decodeBinary } from '../../proto/binary-decode.ts';
import type { DataSource, DiscoveryResponse, Resource, Secret } from '../../proto/generated/types.d.ts';
import { fromJson } from '../../proto/json-decode.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { validateRules } from '../../proto/rules.ts';

export const SECRET_TYPE = 'envoy.extensions.transport_sockets.tls.v3.Secret';
const RESPONSE_TYPE = 'envoy.service.discovery.v3.DiscoveryResponse';
const RESOURCE_TYPE = 'envoy.service.discovery.v3.Resource';

/** Larger ones are not secrets. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** `isUnreadable`: nothing could be made of the file (a failure); else its content was refused. */
export type SecretFileError = { readonly error: string; readonly isUnreadable: boolean };
export type SecretFile = { readonly secret: Secret; readonly version: string };

/** What tells one state of a file from the next: another file of that name, or other content in it. */
export function fileIdentity(path: string): string | null {
  try {
    const { dev, ino, ctimeNs, mtimeNs } = statSync(path, { bigint: true });
    return `${dev} ${ino} ${ctimeNs} ${mtimeNs}`;
  } catch {
    return null;
  }
}

/** Reads the one secret that a file is for. Source: Envoy FilesystemSubscriptionImpl, SdsApi::validateUpdateSize. */
export function readSecretFile(path: string, name: string): SecretFile | SecretFileError {
  const response = readResponse(path);
  if ('error' in response) return { ...response, isUnreadable: true };
  const resources = response.resources ?? [];
  const refused = (error: string): SecretFileError => ({ error, isUnreadable: false });
  if (resources.length === 0) return refused(`Missing SDS resources for ${name} in onConfigUpdate()`);
  if (resources.length !== 1) {
    const counts = `number of added resources ${resources.length}, number of removed resources 0`;
    return refused(`Unexpected SDS secrets length for ${name}, ${counts}. Expected sum is 1`);
  }
  const secret = unpackSecret(resources[0] as Any);
  if ('error' in secret) return refused(secret.error);
  if (secret.name !== name) return refused(`Unexpected SDS secret (expecting ${name}): ${secret.name ?? ''}`);
  return { secret, version: response.version_info ?? '' };
}

function readResponse(path: string): DiscoveryResponse | { readonly error: string } {
  let bytes: Buffer;
  try {
    const { size } = statSync(path);
    if (size > MAX_FILE_BYTES) return { error: `${path} has more than ${MAX_FILE_BYTES} bytes` };
    bytes = readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { error: code === 'ENOENT' ? `Invalid path: ${path}` : `unable to read file: ${path}: ${message}` };
  }
  const type = registry.message(RESPONSE_TYPE);
  const report = new Report();
  if (path.endsWith('.pb')) {
    const response = decodeBinary(type, bytes, report) as DiscoveryResponse | undefined;
    return response === undefined ? { error: `${path}: ${report.toString()}` } : response;
  }
  const parsed = parseYaml(bytes.toString('utf8'));
  if ('error' in parsed) return { error: `${path}: ${parsed.error}` };
  const response = fromJson(type, parsed.value, report) as DiscoveryResponse;
  return report.onlyUnknownFields ? response : { error: `${path}: ${report.toString()}` };
}

/** JSON is YAML. */
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

/** The Secret in it, alone or inside a Resource; its rules hold. */
function unpackSecret(any: Any): Secret | { readonly error: string } {
  const report = new Report();
  const outer = unpackAny(any, report);
  const resource = outer?.type.fullName === RESOURCE_TYPE ? (outer.message as Resource).resource : undefined;
  const found = resource === undefined ? outer : unpackAny(resource as Any, report);
  if (found === undefined || !report.onlyUnknownFields) return { error: report.toString() };
  if (found.type.fullName !== SECRET_TYPE) {
    return { error: `Unable to unpack as ${SECRET_TYPE}: it is a ${found.type.fullName}` };
  }
  const secret = found.message as Secret;
  const rules = new Report();
  validateRules(found.type, secret as never, rules);
  return rules.isEmpty ? secret : { error: rules.toString() };
}

/** Files that a secret names. Source: Envoy TlsCertificateSdsApi, CertificateValidationContextSdsApi. */
function partsOf({ tls_certificate: certificate, validation_context: context }: Secret): string[] {
  const sources: readonly (DataSource | undefined)[] = [
    certificate?.certificate_chain,
    certificate?.private_key,
    certificate?.pkcs12,
    context?.trusted_ca,
    context?.crl,
  ];
  return sources.flatMap((source) => (source?.filename === undefined ? [] : [source.filename]));
}

/** The state of all files that a secret names. */
export function partsIdentity(secret: Secret): string {
  return partsOf(secret).map(fileIdentity).join('\n');
}

/** Directories that are watched for a secret whose parts are files: its watched_directory, or where each file lies. */
export function watchedDirectories(secret: Secret): string[] {
  const files = partsOf(secret);
  if (files.length === 0) return [];
  const own = (secret.tls_certificate ?? secret.validation_context)?.watched_directory?.path;
  return own === undefined || own === '' ? [...new Set(files.map((file) => dirname(file)))] : [own];
}
