// Explicit mode, capture without redirect: what EXPLICIT in a node's metadata says of where proxy and workload listen.
import { parseIp } from './ip.ts';

export type Place = { readonly address: string; readonly port: number };

export type ExplicitMode = {
  /** Where gateways and agents listen, if not on the pod's own address: what forwards to them has that one. */
  readonly bind: string;
  /** Where the proxy takes requests of its workload, as HTTP_PROXY; null for nowhere. */
  readonly httpProxy: Place | null;
  /** Where the workload listens, by the port that others call. */
  readonly inbound: Readonly<Record<string, Place>>;
  /** Where the proxy listens for one service, by 'HOST:PORT'. */
  readonly outbound: Readonly<Record<string, Place>>;
};

const MAX_ENTRIES = 256;
const MAX_HOST_CHARS = 255;

/** Entries come sorted, so that equal ones look equal. A text says what is wrong, beginning with the field. */
export function parseExplicit(value: unknown): ExplicitMode | string {
  if (!isRecord(value)) return 'EXPLICIT is no object';
  const unknown = Object.keys(value).find((name) => !['bind', 'httpProxy', 'inbound', 'outbound'].includes(name));
  if (unknown !== undefined) return `EXPLICIT has the unknown field ${JSON.stringify(unknown.slice(0, 100))}`;
  const bind = value['bind'] ?? '';
  if (typeof bind !== 'string' || (bind !== '' && parseIp(bind) === null)) return 'EXPLICIT.bind is no IP address';
  const httpProxy = value['httpProxy'] == null ? null : parsePlace('EXPLICIT.httpProxy', value['httpProxy']);
  if (typeof httpProxy === 'string') return httpProxy;
  const inbound = parsePlaces('EXPLICIT.inbound', value['inbound'], portProblem);
  if (typeof inbound === 'string') return inbound;
  const outbound = parsePlaces('EXPLICIT.outbound', value['outbound'], hostPortProblem);
  if (typeof outbound === 'string') return outbound;
  return { bind, httpProxy, inbound, outbound };
}

function parsePlaces(
  field: string,
  value: unknown,
  keyProblem: (key: string) => string | null,
): Readonly<Record<string, Place>> | string {
  if (value == null) return {};
  if (!isRecord(value)) return `${field} is no object`;
  const names = Object.keys(value).sort();
  if (names.length > MAX_ENTRIES) return `${field} has more than ${MAX_ENTRIES} entries`;
  const places: [string, Place][] = [];
  for (const name of names) {
    const at = `${field}[${JSON.stringify(name.slice(0, 100))}]`;
    const problem = keyProblem(name);
    if (problem !== null) return `${at}: ${problem}`;
    const place = parsePlace(at, value[name]);
    if (typeof place === 'string') return place;
    places.push([name, place]);
  }
  return Object.fromEntries(places);
}

function parsePlace(field: string, value: unknown): Place | string {
  if (!isRecord(value)) return `${field} is no object with address and port`;
  const { address, port } = value;
  if (typeof address !== 'string' || parseIp(address) === null) return `${field}.address is no IP address`;
  if (typeof port !== 'number' || !isPort(port)) return `${field}.port is no port`;
  return { address, port };
}

function portProblem(key: string): string | null {
  return /^[1-9]\d{0,4}$/.test(key) && isPort(Number(key)) ? null : 'the name is no port';
}

function hostPortProblem(key: string): string | null {
  const at = key.lastIndexOf(':');
  const isFine = at > 0 && at <= MAX_HOST_CHARS && !/[\s|]/.test(key) && portProblem(key.slice(at + 1)) === null;
  return isFine ? null : 'the name is not HOST:PORT';
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port <= 65_535;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
