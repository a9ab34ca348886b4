// Files with secrets: a DiscoveryResponse with one Secret, and the files that it names.
import { dirname } from 'node:path';
import { type Any, unpackAny } from '../../proto/any.ts';
import type { DataSource, Resource, Secret } from '../../proto/generated/types.d.ts';
import type { MessageType } from '../../proto/message-type.ts';
import { Report } from '../../proto/report.ts';
import { validateRules } from '../../proto/rules.ts';
import type { Reason } from '../config-decoder.ts';
import type { JudgeUnknown } from '../xds/judge-unknown.ts';
import { fileIdentity, readDiscoveryFile } from '../xds/sources/discovery-file.ts';

export const SECRET_TYPE = 'envoy.extensions.transport_sockets.tls.v3.Secret';
const RESOURCE_TYPE = 'envoy.service.discovery.v3.Resource';

/** `isUnreadable`: nothing could be made of the file (a failure); else its content was refused. */
export type SecretFileError = { readonly error: string; readonly isUnreadable: boolean };
export type SecretFile = { readonly secret: Secret; readonly version: string };

/** Reads the one secret that a file is for. Source: Envoy FilesystemSubscriptionImpl, SdsApi::validateUpdateSize. */
export function readSecretFile(path: string, name: string, judge: JudgeUnknown): SecretFile | SecretFileError {
  const response = readDiscoveryFile(path, judge);
  if ('error' in response) return { ...response, isUnreadable: true };
  const resources = response.resources ?? [];
  const refused = (error: string): SecretFileError => ({ error, isUnreadable: false });
  if (resources.length === 0) return refused(`Missing SDS resources for ${name} in onConfigUpdate()`);
  if (resources.length !== 1) {
    const counts = `number of added resources ${resources.length}, number of removed resources 0`;
    return refused(`Unexpected SDS secrets length for ${name}, ${counts}. Expected sum is 1`);
  }
  const secret = unpackSecret(resources[0] as Any, (...read) => judge(...read, path));
  if ('error' in secret) return refused(secret.error);
  if (secret.name !== name) return refused(`Unexpected SDS secret (expecting ${name}): ${secret.name ?? ''}`);
  return { secret, version: response.version_info ?? '' };
}

type Judge = (type: MessageType, message: object, report: Report) => readonly Reason[];

/** The Secret in it, alone or inside a Resource; its rules hold. */
function unpackSecret(any: Any, judge: Judge): Secret | { readonly error: string } {
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
  if (!rules.onlyUnknownFields) return { error: rules.toString() };
  for (const { path, kind, reason } of report.problems) rules.add(path, kind, reason);
  const refused = judge(found.type, secret, rules).map(({ path, reason }) => `${path}: ${reason}`);
  return refused.length === 0 ? secret : { error: refused.join('\n') };
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
