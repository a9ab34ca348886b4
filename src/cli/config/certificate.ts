// `heddle certificate WORKLOAD`: the identity that a proxy shows, how long it is good, and whom the proxy trusts.
import type { X509Certificate } from 'node:crypto';
import { defineCommand } from '../command/command.ts';
import type { CommandSpec } from '../command/spec.ts';
import { certificatesIn, type DumpedSecret, dumpedSecrets, isValidAt, serialOf, timeOf } from './secrets.ts';
import { askDump, openSource, SOURCE_OPTIONS } from './source.ts';

const SPEC = {
  verb: 'certificate',
  about: `Prints the certificate that a workload's proxy shows to others: identity, issuer, serial number, validity, and
the roots that it trusts. Never its key. Exit code 1 when it is missing, expired, or not yet valid.`,
  arguments: [{ name: 'WORKLOAD', complete: 'workload' }],
  options: {
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      words: ['text', 'json', 'pem'],
      default: 'text',
      help: 'text, json, or pem (the chain)',
    },
    secret: { type: 'string', value: 'NAME', default: 'default', help: 'which one; gateways have more' },
    ...SOURCE_OPTIONS,
  },
  examples: [
    ['heddle certificate reviews-v1', 'who it is, and for how long'],
    ['heddle certificate reviews-v1 -o pem | openssl x509 -noout -text', 'everything that is in it'],
  ],
} as const satisfies CommandSpec;

export const certificate = defineCommand(SPEC, async ({ values, words }) => {
  const source = await openSource(values, words[0]);
  const secrets = dumpedSecrets(await askDump(source));
  const own = secrets.find(({ name, chain }) => name === values.secret && chain !== '');
  if (own === undefined) throw new Error(missingText(source.title, values.secret, secrets));
  const nowMs = Date.now();
  const chain = certificatesIn(own.chain);
  const [leaf] = chain;
  if (leaf === undefined)
    throw new Error(`${source.title}: the secret ${values.secret} has no certificate that can be read`);
  const roots = secrets.flatMap(({ name, roots: pem }) => certificatesIn(pem).map((root) => ({ name, root })));
  if (values.output === 'pem') process.stdout.write(chain.map((one) => `${one.toString().trimEnd()}\n`).join(''));
  else if (values.output === 'json') {
    const told = { workload: source.title, secret: own.name, chain: chain.map((one) => factsOf(one, nowMs)) };
    const trusted = roots.map(({ name, root }) => ({ secret: name, ...factsOf(root, nowMs) }));
    process.stdout.write(`${JSON.stringify({ ...told, roots: trusted }, null, 4)}\n`);
  } else process.stdout.write(textOf(leaf, chain, roots, nowMs));
  if (!isValidAt(leaf, nowMs)) process.exitCode = 1;
});

function missingText(title: string, wanted: string, secrets: readonly DumpedSecret[]): string {
  const names = secrets.filter(({ chain }) => chain !== '').map(({ name }) => name);
  const others = names.length === 0 ? 'it has none at all' : `--secret ${names.join(', --secret ')}`;
  const warming = secrets.some(({ name, state }) => name === wanted && state !== 'ACTIVE');
  const remedy = warming ? 'it has asked for it: look at the log of the proxy and of the control plane' : others;
  return `${title} has no certificate ${wanted}: ${remedy}`;
}

type Facts = {
  readonly identities: readonly string[];
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly isValid: boolean;
  readonly secondsLeft: number;
  readonly key: string;
  readonly sha256: string;
};

function factsOf(one: X509Certificate, nowMs: number): Facts {
  return {
    identities: namesOf(one),
    subject: lineOf(one.subject),
    issuer: lineOf(one.issuer),
    serial: serialOf(one),
    notBefore: timeOf(one.validFrom),
    notAfter: timeOf(one.validTo),
    isValid: isValidAt(one, nowMs),
    secondsLeft: Math.floor((new Date(one.validTo).getTime() - nowMs) / 1000),
    key: keyOf(one),
    sha256: one.fingerprint256,
  };
}

/** 'URI:spiffe://…, DNS:a' → without the kinds that a URI shows by itself. */
function namesOf({ subjectAltName }: X509Certificate): string[] {
  const names = (subjectAltName ?? '').split(', ').filter((name) => name !== '');
  return names.map((name) => name.replace(/^URI:/, '').replace(/^"(.*)"$/, '$1'));
}

const lineOf = (name: string | undefined): string => (name ?? '').split('\n').reverse().join(', ');

function keyOf({ publicKey }: X509Certificate): string {
  const { asymmetricKeyType = 'unknown', asymmetricKeyDetails } = publicKey;
  const { namedCurve, modulusLength } = asymmetricKeyDetails ?? {};
  if (asymmetricKeyType === 'ec') return `EC ${namedCurve === 'prime256v1' ? 'P-256' : (namedCurve ?? '')}`.trim();
  return modulusLength === undefined ? asymmetricKeyType : `${asymmetricKeyType.toUpperCase()} ${modulusLength}`;
}

type NamedRoot = { readonly name: string; readonly root: X509Certificate };

function textOf(
  leaf: X509Certificate,
  chain: readonly X509Certificate[],
  roots: readonly NamedRoot[],
  nowMs: number,
): string {
  const { identities, issuer, serial, notBefore, notAfter, key } = factsOf(leaf, nowMs);
  const rows: (readonly [string, string])[] = [
    ...(identities.length === 0 ? ['none'] : identities).map((name, at) => [at === 0 ? 'identity' : '', name] as const),
    ['issuer', issuer === '' ? '(unnamed)' : issuer],
    ['serial', serial],
    ['valid', `${notBefore} to ${notAfter}, ${leftText(leaf, nowMs)}`],
    ['key', key],
    ['chain', `${chain.length} certificate${chain.length === 1 ? '' : 's'}`],
    ...roots.map(
      ({ name, root }, at) =>
        [at === 0 ? 'trusts' : '', `${rootText(root)}, ${leftText(root, nowMs)} (${name})`] as const,
    ),
    ...(roots.length === 0 ? [['trusts', 'nobody: it has no roots'] as const] : []),
  ];
  return rows.map(([title, text]) => `${title.padEnd(10)}${text}\n`).join('');
}

function rootText(root: X509Certificate): string {
  const subject = lineOf(root.subject);
  return `${subject === '' ? '(unnamed)' : subject}, serial ${serialOf(root)}`;
}

function leftText(one: X509Certificate, nowMs: number): string {
  const from = new Date(one.validFrom).getTime();
  const to = new Date(one.validTo).getTime();
  if (nowMs < from) return `NOT YET VALID, for ${spanText(from - nowMs)}`;
  return nowMs < to ? `${spanText(to - nowMs)} left` : `EXPIRED ${spanText(nowMs - to)} ago`;
}

/** The two largest units: '3d 4h', '12m 5s'. */
function spanText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0s';
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ');
}
