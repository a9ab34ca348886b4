// Each kind of permission and principal against one exchange.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TlsFacts } from '../../base/byte-stream.ts';
import { decodeOrThrow, makeConnection, requestHeaders } from '../../../test/support/filter-harness.ts';
import type { ConnectionInfo } from '../stream-info.ts';
import { StreamInfo } from '../stream-info.ts';
import { decodeRbac } from './decode.ts';
import type { PermissionPb, PrincipalPb } from './decode.ts';
import { PolicyEngine } from './engine.ts';
import { ALWAYS } from './rules.ts';

type Exchange = {
  connection?: Partial<ConnectionInfo>;
  path?: string;
  lines?: string[];
  change?: (info: StreamInfo) => void;
};

const ROUTE = new Map([['f', { k: 'route' }]]);

function matches(permissions: PermissionPb[], principals: PrincipalPb[], exchange: Exchange = {}): boolean {
  const engine = decodeOrThrow((d) => decodeRbac({ policies: { p: { permissions, principals } } }, d));
  const info = new StreamInfo(makeConnection(exchange.connection), 0, 0);
  exchange.change?.(info);
  const headers = requestHeaders(exchange.path ?? '/up/x?y=1#f', exchange.lines ?? ['x-a: 1']);
  return engine.match(info, headers, ROUTE) === 0;
}

const permits = (rule: PermissionPb, exchange?: Exchange): boolean => matches([rule], [{ any: true }], exchange);
const knows = (principal: PrincipalPb, exchange?: Exchange): boolean => matches([{ any: true }], [principal], exchange);

const header = { header: { name: 'x-a', string_match: { exact: '1' } } };
const other = { header: { name: 'x-a', string_match: { exact: '2' } } };
const cidr = (address_prefix: string, prefix_len: number) => ({ address_prefix, prefix_len });

test('permissions match what they say', () => {
  assert.equal(permits({ any: true }), true);
  assert.equal(permits(header), true);
  assert.equal(permits(other), false);
  assert.equal(permits({ not_rule: other }), true);
  assert.equal(permits({ and_rules: { rules: [header, other] } }), false);
  assert.equal(permits({ and_rules: { rules: [header, { any: true }] } }), true);
  assert.equal(permits({ or_rules: { rules: [other, header] } }), true);
  assert.equal(permits({ or_rules: { rules: [other, other] } }), false);
  assert.equal(permits({ url_path: { path: { exact: '/up/x' } } }), true);
  assert.equal(permits({ url_path: { path: { exact: '/up' } } }, { path: '/up#q?' }), true);
  assert.equal(permits({ url_path: { path: { prefix: '' } } }, { path: '' }), false);
  assert.equal(permits({ destination_port: 8080 }), true);
  assert.equal(permits({ destination_port: 80 }), false);
  assert.equal(permits({ destination_port_range: { start: 1, end: 8080 } }), false);
  assert.equal(permits({ destination_port_range: { start: 8080, end: 8081 } }), true);
  assert.equal(permits({ destination_ip: cidr('10.0.0.0', 31) }), true);
  assert.equal(permits({ destination_ip: cidr('::ffff:10.0.0.0', 104) }), false);
  assert.equal(permits({ requested_server_name: { exact: '' } }), true);
  assert.equal(permits({ requested_server_name: { exact: 'a' } }, { connection: { requestedServerName: 'a' } }), true);
});

test('a unix socket has neither port nor IP', () => {
  const connection = { localAddress: { family: 'unix', address: '/s', port: 0 } } as const;
  assert.equal(permits({ destination_port_range: { start: 0, end: 65536 } }, { connection }), false);
  assert.equal(permits({ not_rule: { destination_ip: cidr('0.0.0.0', 0) } }, { connection }), true);
});

test('metadata comes from filters or from the route', () => {
  const of = (value: string, invert = false) => ({
    filter: 'f',
    path: [{ key: 'k' }],
    value: { string_match: { exact: value } },
    invert,
  });
  const change = (info: StreamInfo) => info.setMetadata('f', { k: 'dynamic' });
  assert.equal(permits({ metadata: of('dynamic') }, { change }), true);
  assert.equal(permits({ metadata: of('dynamic') }), false);
  assert.equal(permits({ metadata: of('dynamic', true) }), true);
  assert.equal(knows({ sourced_metadata: { metadata_matcher: of('dynamic') } }, { change }), true);
  assert.equal(knows({ sourced_metadata: { metadata_matcher: of('route'), metadata_source: 'ROUTE' } }), true);
  assert.equal(knows({ sourced_metadata: { metadata_matcher: of('route'), metadata_source: 'DYNAMIC' } }), false);
});

test('route metadata matches nothing where there is no route', () => {
  const matcher = { filter: 'f', path: [{ key: 'k' }], value: { string_match: { exact: 'x' } }, invert: true };
  const permission = { sourced_metadata: { metadata_matcher: matcher, metadata_source: 'ROUTE' } };
  const policies = { p: { permissions: [permission], principals: [{ any: true }] } };
  const engine = decodeOrThrow((d) => decodeRbac({ policies }, d));
  const info = new StreamInfo(makeConnection(), 0, 0);
  assert.equal(engine.match(info, requestHeaders('/'), undefined), -1);
  assert.equal(engine.match(info, requestHeaders('/'), null), 0);
});

test('principals match what they say', () => {
  assert.equal(knows({ any: true }), true);
  assert.equal(knows(header), true);
  assert.equal(knows({ not_id: header }), false);
  assert.equal(knows({ and_ids: { ids: [header, other] } }), false);
  assert.equal(knows({ or_ids: { ids: [other, header] } }), true);
  assert.equal(knows({ url_path: { path: { suffix: '/x' } } }), true);
  assert.equal(knows({ source_ip: cidr('10.0.0.2', 32) }), true);
  assert.equal(knows({ direct_remote_ip: cidr('10.0.0.2', 32) }), true);
  const change = (info: StreamInfo) => {
    info.remoteAddress = { family: 'ipv6', address: '2001:db8::1', port: 1 };
  };
  assert.equal(knows({ remote_ip: cidr('2001:db8::', 32) }, { change }), true);
  assert.equal(knows({ direct_remote_ip: cidr('2001:db8::', 32) }, { change }), false);
  assert.equal(knows({ remote_ip: cidr('10.0.0.0', 40) }), false);
});

test('filter state matches by its text', () => {
  const change = (info: StreamInfo) => {
    info.filterState = new Map([['k', { value: 'v', typed: null, isReadOnly: true, lifeSpan: 'request' }]]);
  };
  assert.equal(knows({ filter_state: { key: 'k', string_match: { exact: 'v' } } }, { change }), true);
  assert.equal(knows({ filter_state: { key: 'k', string_match: { exact: 'v' } } }), false);
});

test('plain text is never authenticated; TLS peers are by SAN or subject', () => {
  const named = (exact: string): PrincipalPb => ({ authenticated: { principal_name: { exact } } });
  assert.equal(knows({ authenticated: {} }), false);
  assert.equal(knows({ not_id: named('x') }), true);
  const peerCertificate = { uriSans: ['spiffe://td/ns/a/sa/b'], dnsSans: ['b.example'], subject: 'CN=b' };
  const tls = { version: 'TLSv1.3', cipher: 'c', alpn: '', sni: '', peerCertificate } as unknown as TlsFacts;
  const exchange = { connection: { tls } };
  assert.equal(knows({ authenticated: {} }, exchange), true);
  for (const name of ['spiffe://td/ns/a/sa/b', 'b.example', 'CN=b']) assert.equal(knows(named(name), exchange), true);
  assert.equal(knows(named('other'), exchange), false);
  assert.throws(() => knows(named('x'), { connection: { tls: { ...tls, peerCertificate: {} as never } } }));
  assert.equal(knows(named('x'), { connection: { tls: { ...tls, peerCertificate: null } } }), false);
});

test('ALLOW, DENY and LOG make verdicts of a match, names sort by bytes', () => {
  const names = ['é', 'z', 'a', 'B', '\u{1f600}', '\uffee'];
  const engine = (action: 'ALLOW' | 'DENY' | 'LOG') =>
    new PolicyEngine(
      action,
      names.map((name) => ({ name, permission: ALWAYS, principal: ALWAYS, condition: null })),
    );
  assert.deepEqual(
    engine('ALLOW').policies.map((each) => each.name),
    ['B', 'a', 'z', 'é', '\uffee', '\u{1f600}'],
  );
  const verdicts = (['ALLOW', 'DENY', 'LOG'] as const).map((action) => [0, -1].map((i) => engine(action).isAllowed(i)));
  assert.deepEqual(verdicts, [
    [true, false],
    [false, true],
    [true, true],
  ]);
});
