// The protocol of a port: what its appProtocol says, else the first part of its name, else what everybody uses it for.
import { parseProtocol } from '../../model/protocol.ts';
import type { Protocol } from '../../model/service.ts';

/** Names that only an appProtocol may have. */
const STANDARD_NAMES: ReadonlyMap<string, Protocol> = new Map<string, Protocol>([
  ['kubernetes.io/h2c', 'HTTP2'],
  ['kubernetes.io/ws', 'HTTP'],
  ['kubernetes.io/wss', 'HTTPS'],
]);

/** Their servers speak first (SMTP, MySQL) or something that looks like nothing known: detection would stall them. */
const SERVER_FIRST: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

/** `transport` is 'TCP', 'UDP' or 'SCTP'; `appProtocol` is null where the port says none. */
export function protocolOfPort(number: number, name: string, transport: string, appProtocol: string | null): Protocol {
  if (transport === 'UDP') return 'UDP';
  if (appProtocol !== null) {
    const standard = STANDARD_NAMES.get(appProtocol);
    if (standard !== undefined) return standard;
  }
  const words = appProtocol ?? name;
  if (words.slice(0, 'grpc-web'.length).toLowerCase() === 'grpc-web') return 'GRPC-Web';
  const protocol = parseProtocol(words.split('-', 1)[0] ?? '');
  return protocol === 'UNSUPPORTED' && SERVER_FIRST.has(number) ? 'TCP' : protocol;
}
