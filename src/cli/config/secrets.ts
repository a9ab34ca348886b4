// Secrets as istioctl proxy-config tells them, and the certificates in them.
import { X509Certificate } from 'node:crypto';
import { at, byText, type ConfigDump, type Json, listAt, textAt } from './dump.ts';

export type SecretState = 'WARMING' | 'ACTIVE' | 'UNINITIALIZED';

export type DumpedSecret = {
  readonly name: string;
  readonly state: SecretState;
  readonly version: string;
  /** PEM; '' where it has none. Never a key. */
  readonly chain: string;
  readonly roots: string;
};

/** Those on their way in, then certificates, then roots; what a proxy has of several servers is told once. */
export function dumpedSecrets(dump: ConfigDump): readonly DumpedSecret[] {
  const all = new Map(allSecrets(dump).map((one) => [[one.name, one.state, one.chain, one.roots].join('\n'), one]));
  return [...all.values()];
}

function allSecrets(dump: ConfigDump): DumpedSecret[] {
  const of = (list: string, state: SecretState): DumpedSecret[] =>
    listAt(dump.secrets, list).map((one) => secretOf(one, state));
  const active = of('dynamic_active_secrets', 'ACTIVE');
  const rank = ({ chain }: DumpedSecret): number => (chain === '' ? 1 : 0);
  active.sort((a, b) => rank(a) - rank(b) || byText(a.name, b.name));
  return [...of('dynamic_warming_secrets', 'WARMING'), ...active];
}

function secretOf(entry: Json, state: SecretState): DumpedSecret {
  const secret = at(entry, 'secret');
  const version = textAt(entry, 'version_info');
  return {
    name: textAt(entry, 'name') || textAt(secret, 'name'),
    state: state === 'ACTIVE' && version === 'uninitialized' ? 'UNINITIALIZED' : state,
    version,
    chain: pemOf(at(secret, 'tls_certificate', 'certificate_chain')),
    roots: pemOf(at(secret, 'validation_context', 'trusted_ca')),
  };
}

/** Of a DataSource; files are not read: they are the proxy's. */
function pemOf(source: unknown): string {
  const bytes = textAt(source, 'inline_bytes');
  return bytes === '' ? textAt(source, 'inline_string') : Buffer.from(bytes, 'base64').toString('utf8');
}

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** What is no certificate is left out. */
export function certificatesIn(pem: string): X509Certificate[] {
  return [...pem.matchAll(PEM)].flatMap(([text]) => {
    try {
      return [new X509Certificate(text)];
    } catch {
      return [];
    }
  });
}

/** As Go prints a number in hex. */
export function serialOf(certificate: X509Certificate): string {
  return certificate.serialNumber.toLowerCase().replace(/^0+(?=.)/, '');
}

/** RFC 3339, in UTC. */
export function timeOf(text: string): string {
  return new Date(text).toISOString().replace('.000Z', 'Z');
}

export function isValidAt(certificate: X509Certificate, nowMs: number): boolean {
  return new Date(certificate.validFrom).getTime() < nowMs && nowMs < new Date(certificate.validTo).getTime();
}

export const NO_SECRETS = 'No active or warming secrets found.\n';

export function secretRows(secrets: readonly DumpedSecret[], nowMs: number, named = false): string[][] {
  const rows = secrets.map(({ name, state, chain, roots }) => {
    const [first] = certificatesIn(chain === '' ? roots : chain);
    const title = `${named ? 'secret/' : ''}${name}`;
    if (first === undefined) return [title, '', state, 'false', '', '', ''];
    const times = [timeOf(first.validTo), timeOf(first.validFrom)];
    const type = first.ca ? 'CA' : 'Cert Chain';
    return [title, type, state, String(isValidAt(first, nowMs)), serialOf(first), ...times];
  });
  const head = ['RESOURCE NAME', 'TYPE', 'STATUS', 'VALID CERT', 'SERIAL NUMBER', 'NOT AFTER', 'NOT BEFORE'];
  return [head, ...rows];
}
