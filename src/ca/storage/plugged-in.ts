// A CA that the operator plugs in, in Istio's layout: files of a directory, or the same keys of a Secret 'cacerts'.
import { join } from 'node:path';
import { Secret } from '../../base/secret.ts';
import { type Issuer, readIssuer } from '../signing/issuer.ts';
import { isPrivate, readFileIfThere } from './files.ts';
import { openKey } from './sealed-key.ts';

export const CACERTS_FILES = ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem'] as const;
type CacertsFile = (typeof CACERTS_FILES)[number];

/** What is plugged in; null for no such file. */
export type PluggedIn = {
  /** For messages: a directory, or 'Secret istio-system/cacerts'. */
  readonly name: string;
  read(file: CacertsFile): Secret | null;
};

export function pluggedDirectory(directory: string): PluggedIn {
  return {
    name: directory,
    read(file) {
      const text = readFileIfThere(join(directory, file));
      return text === null ? null : new Secret(text);
    },
  };
}

/** `data` of a Secret: base64 texts, or holders of them. */
export function pluggedSecret(name: string, data: Readonly<Record<string, unknown>>): PluggedIn {
  return {
    name: `Secret ${name}`,
    read(file) {
      const value = data[file];
      const text = value instanceof Secret ? (value as Secret).reveal() : value;
      return typeof text === 'string' ? new Secret(Buffer.from(text, 'base64').toString('utf8')) : null;
    },
  };
}

/** A text says what is missing or wrong. Without a chain the CA is a root itself, or its root signed it. */
export async function readPluggedIn(
  source: PluggedIn,
  passphrase: Secret | null,
  nowMs: number,
): Promise<Issuer | string> {
  const [certificate, key, chain, roots] = CACERTS_FILES.map((file) => source.read(file)) as (Secret | null)[];
  if (certificate == null) return `${source.name} has no ca-cert.pem`;
  if (key == null) return `${source.name} has no ca-key.pem`;
  if (roots == null) return `${source.name} has no root-cert.pem`;
  const opened = await openKey(key.reveal(), passphrase);
  if (typeof opened === 'string') return `${source.name}: ca-key.pem ${opened}`;
  const issuer = readIssuer(
    {
      certificate: certificate.reveal(),
      key: opened.key,
      chain: chain?.reveal() ?? '',
      roots: roots.reveal(),
    },
    nowMs,
  );
  return typeof issuer === 'string' ? `${source.name}: ${issuer}` : issuer;
}

/** Null when only the owner may read the key; else a line for the log. Mounted Secrets are readable in their pod. */
export function keyFileWarning(directory: string): string | null {
  const path = join(directory, 'ca-key.pem');
  return isPrivate(path) ? null : `${path} may be read by others than its owner`;
}
