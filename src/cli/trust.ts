// `heddle trust`: where the root of a mesh's gateways is; asked for, into the stores of this machine or out of them.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { findProgram, systemPath } from '../up/launch/capability.ts';
import { stateDirectory } from '../up/location.ts';
import { gatewayRootPath } from '../up/mesh/gateway-ca.ts';
import { type Certificate, readCertificate } from '../up/trust/certificate.ts';
import { type Machine, missingForBrowsers, type Store, storesOf } from '../up/trust/stores.ts';
import { defineCommand } from './command/command.ts';
import { UsageError } from './command/parse.ts';
import type { CommandSpec } from './command/spec.ts';
import { meshDirectory } from './objects/mesh-files.ts';

const SPEC = {
  verb: 'trust',
  about: `Gateways of a mesh for which no file has a certificate get one of a root of their own: tells where that is,
and how to trust it. With --install it is put into the stores of this machine, after a question; --remove takes it away
again. It is never the root of the mesh, which nobody outside of it has to trust.`,
  arguments: [{ name: '[DIR]', complete: 'directory' }],
  options: {
    install: { type: 'boolean', help: "put it into the system's store, and those of your browsers" },
    remove: { type: 'boolean', help: 'take it out of them' },
    yes: { type: 'boolean', short: 'y', help: 'without a question' },
  },
  notes: ["The system's store is root's: sudo heddle trust --install DIR. Those of browsers are yours: without sudo."],
  examples: [
    ['heddle trust', 'where it is, how curl trusts it, and in which stores it is'],
    ['heddle trust --install examples/bookshop', 'browsers show https://localhost:8443 without a warning'],
    ['heddle trust --remove examples/bookshop', 'nobody trusts it any more'],
  ],
} as const satisfies CommandSpec;

export const trust = defineCommand(SPEC, async ({ values, words }) => {
  if (values.install && values.remove) throw new UsageError('--install or --remove, not both');
  const directory = meshDirectory({ dir: words[0] === undefined ? undefined : resolve(words[0]) });
  const certificate = rootOf(directory);
  const machine = thisMachine();
  const stores = storesOf(machine);
  if (!values.install && !values.remove) {
    for (const line of description(directory, certificate, stores, missingForBrowsers(machine))) print(line);
    return;
  }
  const verb = values.install ? 'add' : 'remove';
  const wanted = stores.filter((store) => store.has(certificate) !== values.install);
  const done = values.install ? 'has it already' : 'does not have it';
  for (const store of stores) if (!wanted.includes(store)) print(`${nameOf(store)} ${done}`);
  const hint = values.install ? missingForBrowsers(machine) : null;
  if (hint !== null) print(hint);
  if (stores.length === 0) throw new Error(`no store of this machine is known: import ${certificate.file} by hand`);
  if (wanted.length === 0) return;
  if (!values.yes && !(await isWanted(values.install, certificate, wanted))) {
    print('nothing was changed');
    return;
  }
  const failed = wanted.filter((store) => !change(store, verb, certificate, directory));
  if (failed.length > 0) process.exitCode = 1;
});

function rootOf(directory: string): Certificate {
  const file = gatewayRootPath(stateDirectory(directory));
  if (!existsSync(file)) {
    throw new Error(
      `there is no ${file}: heddle up makes it when a Gateway names a certificate (credentialName) that no file has`,
    );
  }
  const certificate = readCertificate(file);
  const mesh = join(stateDirectory(directory), 'control', 'root-cert.pem');
  if (existsSync(mesh) && readCertificate(mesh).sha256 === certificate.sha256) {
    throw new Error(`${file} is the root of the mesh itself, which is trusted by nobody outside: delete it`);
  }
  return certificate;
}

function description(
  directory: string,
  { file, name, validTo, sha256 }: Certificate,
  stores: readonly Store[],
  hint: string | null,
): string[] {
  const certificate = readCertificate(file);
  return [
    `the root of the gateways' certificates of ${directory}: ${name}`,
    `  file      ${file}`,
    `  until     ${validTo.toISOString().slice(0, 10)}`,
    `  SHA-256   ${sha256}`,
    `  curl      curl --cacert '${file}' https://localhost:8443/`,
    `  Node      NODE_EXTRA_CA_CERTS='${file}' node client.js`,
    `  browsers  heddle trust --install ${directory}, or import the file in their settings`,
    ...stores.map((store) => `  in        ${nameOf(store)}: ${store.has(certificate) ? 'yes' : 'no'}`),
    ...(hint === null ? [] : [`  ${hint}`]),
  ];
}

async function isWanted(isInstall: boolean, { name, sha256 }: Certificate, stores: readonly Store[]): Promise<boolean> {
  if (process.stdin.isTTY !== true) throw new UsageError('nobody is there to ask: add --yes');
  print(`${isInstall ? 'add' : 'remove'} "${name}" (SHA-256 ${sha256})`);
  for (const store of stores) print(`  ${isInstall ? 'to' : 'from'} ${nameOf(store)}`);
  if (isInstall) print('Whoever has its key, which lies beside it, can then pretend to you to be any site.');
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await lines.question('Go on? [y/N] ');
  lines.close();
  return /^y(?:es)?$/i.test(answer.trim());
}

function change(store: Store, verb: 'add' | 'remove', certificate: Certificate, directory: string): boolean {
  if (store.needsRoot) {
    const option = verb === 'add' ? '--install' : '--remove';
    process.stderr.write(`heddle: ${nameOf(store)} is root's: sudo heddle trust ${option} ${directory}\n`);
    return false;
  }
  const left = verb === 'remove' ? 'it is still there' : null;
  const problem = store[verb](certificate) ?? (left !== null && store.has(certificate) ? left : null);
  if (problem === null) print(verb === 'add' ? `${nameOf(store)} has it now` : `${nameOf(store)} has it no more`);
  else process.stderr.write(`heddle: ${nameOf(store)} was not changed: ${problem}\n`);
  return problem === null;
}

const nameOf = ({ name, where }: Store): string => `${name} (${where})`;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function thisMachine(): Machine {
  const options = { encoding: 'utf8', env: { ...process.env, PATH: systemPath() } } as const;
  return {
    platform: process.platform,
    root: '/',
    home: homedir(),
    isRoot: process.geteuid?.() === 0,
    find: findProgram,
    run(program, args) {
      const { status, stderr, error } = spawnSync(program, args, options);
      return status === 0 ? null : `${program}: ${error?.message ?? (stderr.trim() || `it ended with ${status}`)}`;
    },
    read(program, args) {
      const { status, stdout } = spawnSync(program, args, options);
      return status === 0 ? stdout : null;
    },
  };
}
