// The admin endpoint of the DNS server: whom it serves and asks, and the names that it answers for itself.
import { addressText } from '../../net/address.ts';
import { formatIp, type Ip } from '../../base/ip.ts';
import type { DnsView } from '../dns/start-dns.ts';
import type { TableEntry } from '../dns/name-table.ts';
import type { AdminHandler } from './admin-handler.ts';
import type { AdminContext } from './handlers.ts';

const PIECE_LENGTH = 8192;

export function dnsHandlers({ supervisor }: AdminContext): AdminHandler[] {
  return [
    {
      path: '/dns',
      help: 'print the DNS server: addresses, upstream servers, cache and the name table (?name=TEXT for a part of it)',
      mutates: false,
      handle: ({ query }) => {
        const { dns } = supervisor;
        if (dns === null) return { status: 200, contentType: 'application/json', body: '{"addresses": []}\n' };
        return { status: 200, contentType: 'application/json', body: pieces(dns.view, query.get('name') ?? '') };
      },
    },
  ];
}

function* pieces({ addresses, upstreams, scope, table, awaitsTable, cache, active }: DnsView, part: string) {
  const head = {
    addresses: addresses.map(addressText),
    upstreams: upstreams.map(addressText),
    search: scope.search,
    namespace: scope.namespace,
    domain: scope.domain,
    cache: { entries: cache.size, bytes: cache.bytes },
    upstream_active: active,
    table_state: table !== null ? 'received' : awaitsTable ? 'awaited' : 'none',
    table_names: table?.size ?? 0,
    table_skipped: table?.skipped ?? 0,
  };
  let text = `${JSON.stringify(head, null, 1).slice(0, -2)},\n "table": {`;
  let separator = '\n';
  for (const [name, entry] of table?.names() ?? []) {
    if (!name.includes(part)) continue;
    text += `${separator}  ${JSON.stringify(name)}: ${JSON.stringify(addressesOf(entry))}`;
    separator = ',\n';
    if (text.length < PIECE_LENGTH) continue;
    yield text;
    text = '';
  }
  yield `${text}\n }\n}\n`;
}

function addressesOf({ ipv4, ipv6 }: TableEntry): string[] {
  const texts: string[] = [];
  for (let at = 0; at < ipv4.length; at += 4) texts.push(ipv4.subarray(at, at + 4).join('.'));
  const words = new DataView(ipv6.buffer, ipv6.byteOffset, ipv6.length);
  for (let at = 0; at < ipv6.length; at += 16) {
    const word = (i: number): number => words.getUint32(at + 4 * i);
    const ip: Ip = { family: 'ipv6', w0: word(0), w1: word(1), w2: word(2), w3: word(3) };
    texts.push(formatIp(ip));
  }
  return texts;
}
