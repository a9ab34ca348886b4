// How traffic can be caught on this machine: tried for real, with the reason where something better is not possible.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { isOwnAddress } from '../../net/free-ports.ts';
import { nativeProblem } from '../../net/native.ts';
import type { CaptureKind } from '../place/placement.ts';

export type Capability = {
  readonly capture: CaptureKind;
  readonly text: string;
  /** Words of `unshare` that make the namespaces; empty in explicit mode. */
  readonly unshare: readonly string[];
  readonly isUserNamespace: boolean;
  readonly hasUsers: boolean;
  readonly hasLoopbackRange: boolean;
};

const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
const PROGRAMS = ['unshare', 'ip', 'nft', 'mount'];
/** What will be needed, on a small scale. */
const TRIAL = [
  'ip link set lo up',
  'ip link add heddle0 type bridge',
  'ip link add heddle1 type veth peer name heddle2',
  'nft add table inet heddle',
  'mount --bind /etc/hostname /etc/hostname',
].join(' && ');
const TRIAL_TIMEOUT_MS = 10_000;
/** Of workloads that have a user of their own. */
export const FIRST_USER = 20_000;
export const SYSTEM_PATH = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];

export async function chooseCapture(wanted: CaptureKind | 'auto', directory: string): Promise<Capability | string> {
  const hasLoopbackRange = await isOwnAddress('127.64.0.1');
  const own = process.geteuid?.() === 0 ? usersOfTheirOwn(directory) : { text: ALL_AS_YOU, hasUsers: false };
  const explicit = (why: string): Capability => ({
    capture: 'explicit',
    text:
      'explicit: programs are told of their proxies by HTTP_PROXY, $PORT and $NAME_PORT ' +
      `(${why}; calls that do not ask the proxy are not caught); ${own.text}`,
    ...{ unshare: [], isUserNamespace: false, hasUsers: own.hasUsers, hasLoopbackRange },
  });
  if (wanted === 'explicit') return explicit('as asked for');
  const found = findNamespaces();
  if ('why' in found) {
    return wanted === 'namespaces' ? `--capture namespaces is not possible here: ${found.why}` : explicit(found.why);
  }
  const { isUserNamespace } = found;
  const { text, hasUsers } = isUserNamespace ? { text: ALL_AS_YOU, hasUsers: false } : own;
  const how = isUserNamespace ? 'namespaces of your own, without root' : 'network namespaces';
  return {
    capture: 'namespaces',
    text: `${how}, redirected as in a pod; ${text}`,
    unshare: isUserNamespace ? ['--user', '--map-root-user', ...NAMESPACES] : NAMESPACES,
    ...{ isUserNamespace, hasUsers, hasLoopbackRange },
  };
}

const ALL_AS_YOU = 'all run as your user, which is no boundary between them';

/** Of root: whether it may give workloads users of their own. */
function usersOfTheirOwn(directory: string): { readonly text: string; readonly hasUsers: boolean } {
  const closed = unreadable(directory);
  const why =
    closed !== null ? `${closed} may not be read by others` : mayBecome(FIRST_USER) ? '' : 'it may become no other';
  if (why === '') return { text: 'each workload runs as a user of its own', hasUsers: true };
  return { text: `all run as root, as ${why}: no boundary between them`, hasUsers: false };
}

/** Root of a container may be root of little, and know few users. */
function mayBecome(user: number): boolean {
  return spawnSync('/bin/sh', ['-c', ':'], { uid: user, gid: user, cwd: '/', timeout: TRIAL_TIMEOUT_MS }).status === 0;
}

function findNamespaces(): { readonly isUserNamespace: boolean } | { readonly why: string } {
  if (process.platform !== 'linux') return { why: `${process.platform} has no network namespaces` };
  const problem = nativeProblem();
  if (problem !== null) return { why: problem };
  const missing = PROGRAMS.filter((name) => findProgram(name) === null);
  if (missing.length > 0) return { why: `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not installed` };
  const isRoot = process.geteuid?.() === 0;
  const asRoot = isRoot ? tryNamespaces([]) : null;
  if (isRoot && asRoot === null) return { isUserNamespace: false };
  const asUser = tryNamespaces(['--user', '--map-root-user']);
  return asUser === null ? { isUserNamespace: true } : { why: `the system refuses namespaces: ${asUser}` };
}

/** Null when it works. */
function tryNamespaces(more: readonly string[]): string | null {
  const { status, stderr, error } = spawnSync('unshare', [...more, ...NAMESPACES, 'sh', '-c', TRIAL], {
    env: { ...process.env, PATH: systemPath() },
    encoding: 'utf8',
    timeout: TRIAL_TIMEOUT_MS,
  });
  if (status === 0) return null;
  return error?.message ?? explained(stderr.trim().split('\n').at(-1) ?? `status ${status}`);
}

/** The kernel's words mean something else elsewhere. */
function explained(text: string): string {
  if (/No space left on device/.test(text)) {
    return `${text}, which is a limit: see /proc/sys/user/max_user_namespaces and max_net_namespaces`;
  }
  if (/Operation not permitted|Permission denied/.test(text)) {
    const settings = 'kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns';
    return `${text}, by its settings (${settings}) or the container's`;
  }
  return text;
}

export function systemPath(): string {
  return [process.env['PATH'] ?? '', ...SYSTEM_PATH].filter((part) => part !== '').join(delimiter);
}

export function findProgram(name: string): string | null {
  for (const directory of systemPath().split(delimiter)) {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return join(directory, name);
    } catch {
      // It is not in this one.
    }
  }
  return null;
}

/** A directory on the way to this one, or to the program itself, that others may not enter; null for none. */
function unreadable(directory: string): string | null {
  for (const start of [directory, process.execPath]) {
    for (let at = start; ; at = dirname(at)) {
      const stats = statSync(at, { throwIfNoEntry: false });
      if (stats !== undefined && (stats.mode & 0o005) !== 0o005) return at;
      if (at === dirname(at)) break;
    }
  }
  return null;
}
