// Sockets that are made and prepared by native calls before the engine takes them over: options, source, keep-alive.
import { existsSync, lstatSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Address } from '../base/byte-stream.ts';
import { type Failure, failure } from '../base/failure.ts';
import { addressText } from './address.ts';
import type { ConnectOptions, ListenError, ListenOptions, SocketOption } from './engine.ts';
import { connectFailure, errnoText } from './errno.ts';
import * as native from './native.ts';
import { keepAlive } from './socket-options.ts';

/** Sets the options of one moment, in order. Null, or what the first refused one says. */
export function applyOptions(
  fd: number,
  options: readonly SocketOption[] | undefined,
  state: SocketOption['state'] | null,
): { readonly errno: string; readonly option: SocketOption } | null {
  for (const option of options ?? []) {
    if (state !== null && option.state !== state) continue;
    const errno = native.setSocketOption(fd, option);
    if (errno !== null) return { errno, option };
  }
  return null;
}

/** Why a listener whose option was refused cannot start. */
export function optionError(address: Address, errno: string, option: SocketOption): ListenError {
  const why = errno === 'ENOSYS' ? (native.nativeProblem() ?? errnoText(errno)) : errnoText(errno);
  return { errno, detail: `cannot set ${option.label} on '${addressText(address)}': ${why}` };
}

/** Sets the listener's options of one moment. */
export function applyListenOptions(
  fd: number,
  address: Address,
  options: ListenOptions,
  state: SocketOption['state'],
): ListenError | null {
  const refused = applyOptions(fd, options.socketOptions, state);
  return refused === null ? null : optionError(address, refused.errno, refused.option);
}

/** A socket left behind by a process that died; Envoy removes it as well, and other files too, which we do not. */
export function removeSocket(path: string): void {
  if (path.startsWith('@')) return;
  try {
    if (lstatSync(path).isSocket()) unlinkSync(path);
  } catch {
    // Not there, or not ours to remove: bind tells.
  }
}

export function listenError(address: Address, given: string): ListenError {
  const errno = given === 'EACCES' && hasNoDirectory(address) ? 'ENOENT' : given;
  const hint = errno === 'EADDRINUSE' && isOtherFile(address) ? ' (the path exists and is no socket)' : '';
  return { errno, detail: `cannot bind '${addressText(address)}': ${errnoText(errno)}${hint}` };
}

/** libuv says EACCES then. */
function hasNoDirectory(address: Address): boolean {
  return isPath(address) && !existsSync(dirname(address.address));
}

function isPath({ family, address }: Address): boolean {
  return family === 'unix' && !address.startsWith('@');
}

function isOtherFile(address: Address): boolean {
  if (!isPath(address)) return false;
  const found = lstatSync(address.address, { throwIfNoEntry: false });
  return found !== undefined && !found.isSocket();
}

/** Whether the listening socket must be made here, because an option is wanted before bind. */
export function needsPreparedListener(options: ListenOptions): boolean {
  return options.fd === undefined && (options.socketOptions ?? []).some((option) => option.state === 'prebind');
}

/**
 * A socket with the options of 'prebind' and 'bound' that is bound to `address`: its descriptor, which the caller hands
 * on or closes, or why not. As libuv does, SO_REUSEADDR is set.
 */
export function preparedListener(address: Address, options: ListenOptions, reusePort: boolean): number | ListenError {
  const fd = native.makeSocket(address.family);
  if (typeof fd === 'string') {
    const first = options.socketOptions?.[0];
    return fd === 'ENOSYS' && first !== undefined ? optionError(address, fd, first) : listenError(address, fd);
  }
  const error =
    applyListenOptions(fd, address, options, 'prebind') ??
    bindPrepared(fd, address, options, reusePort) ??
    applyListenOptions(fd, address, options, 'bound');
  if (error === null) return fd;
  native.closeDescriptor(fd);
  return error;
}

function bindPrepared(fd: number, address: Address, options: ListenOptions, reusePort: boolean): ListenError | null {
  const setOn = (level: number, name: number, value: number): string | null =>
    native.setSocketOption(fd, { level, name, value });
  let errno: string | null = null;
  if (address.family !== 'unix') errno = setOn(native.SOL_SOCKET, native.SO_REUSEADDR, 1);
  if (address.family === 'ipv6') {
    errno ??= setOn(native.SOL_IPV6, native.IPV6_V6ONLY, options.ipv4Compat === true ? 0 : 1);
  }
  if (reusePort) errno ??= setOn(native.SOL_SOCKET, native.SO_REUSEPORT, 1);
  errno ??= native.bindSocket(fd, address);
  return errno === null ? null : listenError(address, errno);
}

/** Whether a dialled socket is to be made here: libuv has no call for what is wanted, or one that does less. */
export function needsPreparedDial(address: Address, options: ConnectOptions): boolean {
  if ((options.socketOptions?.length ?? 0) > 0) return true;
  if (address.family === 'unix') return false;
  if (options.keepAliveIntervalS !== undefined || options.keepAliveProbes !== undefined) return true;
  // libuv's keep-alive has an interval and count of its own, and its bind takes a port for each connection; where
  // native calls do not work these must do.
  const isBetterHere = options.localAddress !== undefined || options.keepAliveS !== undefined;
  return isBetterHere && native.nativeProblem() === null;
}

/**
 * A socket ready to connect to `address`, or the failure of the dial. The descriptor is `options.fd` where that is
 * given, which the caller keeps on failure; else a new one, which the caller hands on or closes.
 */
export function preparedDial(address: Address, options: ConnectOptions): number | Failure {
  const fd = options.fd ?? native.makeSocket(address.family);
  if (typeof fd === 'string') {
    // Without native calls this is an option that cannot be set, else the system has no more descriptors.
    const label = options.socketOptions?.[0]?.label ?? 'keep-alive';
    return fd === 'ENOSYS' ? optionFailure(label, fd) : connectFailure(fd, addressText(address));
  }
  const failed = prepareDial(fd, address, options);
  if (failed === null) return fd;
  if (options.fd === undefined) native.closeDescriptor(fd);
  return failed;
}

function prepareDial(fd: number, address: Address, options: ConnectOptions): Failure | null {
  const { keepAliveS, keepAliveIntervalS, keepAliveProbes, localAddress } = options;
  const isKeptAlive = keepAliveS !== undefined || keepAliveIntervalS !== undefined || keepAliveProbes !== undefined;
  if (isKeptAlive && address.family !== 'unix') {
    const refused = applyOptions(fd, keepAlive(keepAliveS, keepAliveIntervalS, keepAliveProbes), null);
    if (refused !== null) return optionFailure(refused.option.label, refused.errno);
  }
  const refused = applyOptions(fd, options.socketOptions, null);
  if (refused !== null) return optionFailure(refused.option.label, refused.errno);
  if (localAddress === undefined) return null;
  // The port is chosen when the destination is known: one source port may then serve many destinations.
  if (localAddress.port === 0) {
    native.setSocketOption(fd, { level: native.SOL_IP, name: native.IP_BIND_ADDRESS_NO_PORT, value: 1 });
  } else {
    native.setSocketOption(fd, { level: native.SOL_SOCKET, name: native.SO_REUSEADDR, value: 1 });
  }
  const errno = native.bindSocket(fd, localAddress);
  return errno === null ? null : bindFailure(localAddress, errno);
}

/** Envoy gives no reason to its user here, only to its log: the side is what tells this from the peer's failures. */
function optionFailure(label: string, errno: string): Failure {
  const why = errno === 'ENOSYS' ? (native.nativeProblem() ?? errnoText(errno)) : errnoText(errno);
  return failure('connect_failed', 'local', 'connection', `cannot set ${label}: ${why}`);
}

/** Envoy's words. */
const BIND_FAILED = 'failed to bind to ';

export function bindFailure(local: Address, errno: string): Failure {
  const detail = `${BIND_FAILED}${addressText(local)}: ${errnoText(errno)}`;
  return failure('connect_failed', 'local', 'connection', detail);
}

/** Whether a dial failed because its source address could not be taken. */
export function isBindFailure(reason: Failure): boolean {
  return reason.side === 'local' && reason.detail.startsWith(BIND_FAILED);
}
