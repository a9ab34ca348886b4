// An upgrade of HTTP/1 and an extended CONNECT (RFC 8441) are two spellings of one thing; this makes one of the other.
import { H } from '../header-names.ts';
import type { Headers } from '../headers.ts';

// Source of all rules here: Envoy Http::Utility::isUpgrade, isH2UpgradeRequest and transformUpgrade….

const HAS_UPGRADE = /(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)/i;
/** CONNECT of this protocol carries what plain CONNECT carries; it is no upgrade. */
const BYTESTREAM = 'bytestream';

/** Whether a head of HTTP/1 asks for an upgrade, or grants one. */
export function isUpgrade(headers: Headers): boolean {
  if (!headers.mayHave(H.upgrade) || !headers.mayHave(H.connection)) return false;
  const connection = headers.getAll(H.connection);
  return connection !== undefined && HAS_UPGRADE.test(connection) && headers.has(H.upgrade);
}

/** Whether a request of HTTP/2 is an extended CONNECT that stands for an upgrade. */
export function isExtendedConnect(headers: Headers): boolean {
  return headers.protocol !== '' && headers.method === 'CONNECT' && headers.protocol !== BYTESTREAM;
}

/** GET with `upgrade` becomes CONNECT with `:protocol`, in place. Returns what the upgrade is to. */
export function requestToConnect(headers: Headers): string {
  const protocol = headers.get(H.upgrade) ?? '';
  headers.method = 'CONNECT';
  headers.protocol = protocol;
  removeUpgrade(headers);
  return protocol;
}

/** CONNECT with `:protocol` becomes GET with `upgrade`, in place. Returns what the upgrade is to. */
export function requestFromConnect(headers: Headers): string {
  const { protocol } = headers;
  headers.method = 'GET';
  headers.protocol = '';
  headers.set(H.upgrade, protocol);
  headers.set(H.connection, 'upgrade');
  return protocol;
}

/** 101 becomes 200, in place; whatever the status, what only HTTP/1 says goes. */
export function responseToConnect(headers: Headers): void {
  if (headers.status === 101) headers.status = 200;
  removeUpgrade(headers);
}

/** 200 on an extended CONNECT to `protocol` becomes 101, in place; anything else is a refusal and stays as it is. */
export function responseFromConnect(headers: Headers, protocol: string): void {
  if (headers.status !== 200) return;
  headers.status = 101;
  headers.set(H.upgrade, protocol);
  headers.set(H.connection, 'upgrade');
}

function removeUpgrade(headers: Headers): void {
  headers.remove(H.upgrade);
  headers.remove(H.connection);
  // It would promise that nothing comes.
  if (headers.get(H['content-length']) === '0') headers.remove(H['content-length']);
}
