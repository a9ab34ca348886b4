// Where programs of this machine look up whom they trust: the system's store, and those of browsers.
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Certificate, certificatesOf } from './certificate.ts';

/** What a machine has, so that tests have one of their own. */
export type Machine = {
  readonly platform: NodeJS.Platform;
  /** '/' but in tests. */
  readonly root: string;
  readonly home: string;
  readonly isRoot: boolean;
  /** The path of a program, or null. */
  find(program: string): string | null;
  /** Null, or what it complained of. */
  run(program: string, args: readonly string[]): string | null;
  /** What it prints; null when it fails. */
  read(program: string, args: readonly string[]): string | null;
};

export type Store = {
  /** 'the system', 'Chromium'. */
  readonly name: string;
  readonly where: string;
  /** Who may change it is not who asks. */
  readonly needsRoot: boolean;
  has(certificate: Certificate): boolean;
  /** Null, or why not. */
  add(certificate: Certificate): string | null;
  remove(certificate: Certificate): string | null;
};

const LOCAL_CERTIFICATES = 'usr/local/share/ca-certificates';
const SYSTEM_KEYCHAIN = '/Library/Keychains/System.keychain';
/** Of Linux distributions, as they name it. */
const BUNDLES = [
  'etc/ssl/certs/ca-certificates.crt',
  'etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  'etc/ssl/cert.pem',
];
const NSS = [
  ['Chromium', '.pki/nssdb'],
  ['Chromium (snap)', 'snap/chromium/current/.pki/nssdb'],
  ['Firefox', '.mozilla/firefox/*/'],
  ['Firefox (snap)', 'snap/firefox/common/.mozilla/firefox/*/'],
] as const;

export function storesOf(machine: Machine): Store[] {
  return [...systemStores(machine), ...nssStores(machine)];
}

/** Browsers that have stores of their own, and what is missing to change them; null for nothing. */
export function missingForBrowsers(machine: Machine): string | null {
  if (machine.find('certutil') !== null) return null;
  const names = databases(machine).map(({ name }) => name);
  if (names.length === 0) return null;
  const which = [...new Set(names)].join(' and ');
  const remedy = 'install libnss3-tools or nss-tools, or import the file in their settings';
  return `${which} trust by stores of their own, which certutil changes: ${remedy}`;
}

function systemStores(machine: Machine): Store[] {
  if (machine.platform === 'darwin') return [keychain(machine)];
  if (machine.platform !== 'linux') return [];
  if (machine.find('update-ca-certificates') !== null) return [debianStore(machine)];
  return machine.find('trust') !== null ? [anchors(machine)] : [];
}

/** Debian's way, which Alpine and others have too. */
function debianStore(machine: Machine): Store {
  const fileOf = (certificate: Certificate): string =>
    join(machine.root, LOCAL_CERTIFICATES, `${certificate.fileName}.crt`);
  return {
    name: 'the system',
    where: join(machine.root, LOCAL_CERTIFICATES),
    needsRoot: !machine.isRoot,
    has: (certificate) => isInBundle(machine, certificate),
    add(certificate) {
      const file = fileOf(certificate);
      try {
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, certificate.pem, { mode: 0o644 });
      } catch (error) {
        return (error as Error).message;
      }
      return machine.run('update-ca-certificates', []);
    },
    remove(certificate) {
      try {
        rmSync(fileOf(certificate), { force: true });
      } catch (error) {
        return (error as Error).message;
      }
      return machine.run('update-ca-certificates', ['--fresh']);
    },
  };
}

/** p11-kit's, as Fedora and Arch have it. */
function anchors(machine: Machine): Store {
  return {
    name: 'the system',
    where: 'trust anchor',
    needsRoot: !machine.isRoot,
    has: (certificate) => isInBundle(machine, certificate),
    add: ({ file }) => machine.run('trust', ['anchor', '--store', file]),
    remove: ({ file }) => machine.run('trust', ['anchor', '--remove', file]),
  };
}

function keychain(machine: Machine): Store {
  return {
    name: 'the system',
    where: SYSTEM_KEYCHAIN,
    needsRoot: !machine.isRoot,
    has: ({ sha1 }) =>
      machine.read('security', ['find-certificate', '-a', '-Z', SYSTEM_KEYCHAIN])?.includes(sha1) === true,
    add: ({ file }) =>
      machine.run('security', ['add-trusted-cert', '-d', '-r', 'trustRoot', '-k', SYSTEM_KEYCHAIN, file]),
    remove: ({ file, sha1 }) =>
      machine.run('security', ['remove-trusted-cert', '-d', file]) ??
      machine.run('security', ['delete-certificate', '-Z', sha1, SYSTEM_KEYCHAIN]),
  };
}

function isInBundle({ root }: Machine, { sha256 }: Certificate): boolean {
  return BUNDLES.some((bundle) => {
    const path = join(root, bundle);
    return existsSync(path) && certificatesOf(readFileSync(path, 'utf8')).some((one) => one.sha256 === sha256);
  });
}

function databases({ home }: Machine): { readonly name: string; readonly directory: string }[] {
  return NSS.flatMap(([name, pattern]) =>
    globSync(join(home, pattern, 'cert9.db')).map((file) => ({ name, directory: dirname(file) })),
  );
}

function nssStores(machine: Machine): Store[] {
  if (machine.find('certutil') === null) return [];
  return databases(machine).map(({ name, directory }) => {
    const database = ['-d', `sql:${directory}`];
    return {
      ...{ name, where: directory, needsRoot: false },
      has: ({ fileName }) => machine.read('certutil', [...database, '-L', '-n', fileName]) !== null,
      // C: it may sign certificates of servers, and nothing else.
      add: ({ fileName, file }) =>
        machine.run('certutil', [...database, '-A', '-t', 'C,,', '-n', fileName, '-i', file]),
      remove: ({ fileName }) => machine.run('certutil', [...database, '-D', '-n', fileName]),
    };
  });
}
