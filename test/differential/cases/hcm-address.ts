// Differential cases: who the client is (detection extensions, internal addresses, odd x-forwarded-for).
import type { Case, Group } from '../case.ts';
import { any, bootstrap, cluster, type Fields, http, textLog } from '../config.ts';
import { get } from '../messages.ts';

const DETECTION = 'envoy.extensions.http.original_ip_detection';

export function customHeader(fields: Fields): Fields {
  return {
    name: 'envoy.http.original_ip_detection.custom_header',
    typed_config: any(`${DETECTION}.custom_header.v3.CustomHeaderConfig`, fields),
  };
}

export function xff(fields: Fields): Fields {
  return {
    name: 'envoy.http.original_ip_detection.xff',
    typed_config: any(`${DETECTION}.xff.v3.XffConfig`, fields),
  };
}

const log = [
  textLog(
    'code=%RESPONSE_CODE% details=%RESPONSE_CODE_DETAILS% flags=%RESPONSE_FLAGS% ' +
      'remote=%DOWNSTREAM_REMOTE_ADDRESS% %REQ(:PATH)%\n',
  ),
];
const PRIVATE = [
  { address_prefix: '10.0.0.0', prefix_len: 8 },
  { address_prefix: 'fd00::', prefix_len: 8 },
];
const LOOPBACK = { address_prefix: '127.0.0.0', prefix_len: 8 };
const internal: Fields = { internal_address_config: { cidr_ranges: PRIVATE } };

function detecting(name: string, extensions: readonly Fields[], hcm: Fields = {}): Fields {
  return http({ name, log, hcm: { original_ip_detection_extensions: extensions, ...internal, ...hcm } });
}

const listeners: readonly Fields[] = [
  http({ name: 'main', log, hcm: { ...internal } }),
  detecting('custom', [customHeader({ header_name: 'X-Real-Ip' })]),
  detecting('custom-trusted', [
    customHeader({ header_name: 'x-real-ip', allow_extension_to_set_address_as_trusted: true }),
  ]),
  detecting('custom-rejects', [
    customHeader({ header_name: 'x-real-ip', reject_with_status: { code: 'Unauthorized' } }),
  ]),
  detecting('custom-low-code', [customHeader({ header_name: 'x-real-ip', reject_with_status: { code: 'OK' } })]),
  detecting('custom-then-xff', [customHeader({ header_name: 'x-real-ip' }), xff({ xff_num_trusted_hops: 0 })]),
  detecting('xff-0', [xff({})]),
  detecting('xff-1', [xff({ xff_num_trusted_hops: 1 })]),
  detecting('xff-2', [xff({ xff_num_trusted_hops: 2 })]),
  detecting('xff-appends', [xff({ skip_xff_append: false })]),
  detecting('xff-1-appends', [xff({ xff_num_trusted_hops: 1, skip_xff_append: false })]),
  detecting('xff-cidrs', [xff({ xff_trusted_cidrs: { cidrs: [LOOPBACK, ...PRIVATE] } })]),
  detecting('xff-cidrs-append', [
    xff({ xff_trusted_cidrs: { cidrs: [LOOPBACK, ...PRIVATE] }, skip_xff_append: false }),
  ]),
  detecting('xff-cidrs-other', [xff({ xff_trusted_cidrs: { cidrs: PRIVATE } })]),
  detecting('xff-cidrs-then-custom', [
    xff({ xff_trusted_cidrs: { cidrs: PRIVATE } }),
    customHeader({ header_name: 'x-real-ip', allow_extension_to_set_address_as_trusted: true }),
  ]),
  detecting('xff-cidrs-then-xff', [xff({ xff_trusted_cidrs: { cidrs: PRIVATE } }), xff({})]),
  detecting('xff-then-reject', [
    xff({}),
    customHeader({ header_name: 'x-real-ip', reject_with_status: { code: 'Forbidden' } }),
  ]),
  detecting('skip-append-of-manager', [xff({ skip_xff_append: false })], { skip_xff_append: true }),
  detecting('port', [xff({})], { append_x_forwarded_port: true }),
  http({
    name: 'remote',
    log,
    hcm: { use_remote_address: true, internal_address_config: { cidr_ranges: [LOOPBACK] } },
  }),
  http({ name: 'hops', log, hcm: { use_remote_address: true, xff_num_trusted_hops: 2, ...internal } }),
  http({
    name: 'hops-port',
    log,
    hcm: { use_remote_address: true, xff_num_trusted_hops: 1, append_x_forwarded_port: true },
  }),
  http({ name: 'plain-port', log, hcm: { append_x_forwarded_port: true } }),
  http({ name: 'internal-empty', log, hcm: { internal_address_config: {} } }),
  http({ name: 'internal-unix', log, hcm: { internal_address_config: { unix_sockets: true } } }),
];

const view = ({ clients, upstream, log: lines, stats }: Parameters<NonNullable<Case['view']>>[0]): unknown => ({
  answers: clients,
  log: lines,
  stats,
  forwarded: Object.values(upstream).map((seen) =>
    seen.map(({ headers }) =>
      Object.fromEntries(
        Object.entries(headers).filter(([name]) => /^x-(forwarded|envoy-(internal|external|retry)|real)/.test(name)),
      ),
    ),
  ),
});

const REAL: readonly [string, ...string[]][] = [
  ['none'],
  ['an address', 'x-real-ip: 203.0.113.77'],
  ['an internal address', 'x-real-ip: 10.1.2.3', 'x-envoy-retry-on: 5xx'],
  ['IPv6', 'x-real-ip: 2001:db8::7'],
  ['IPv6 in brackets', 'x-real-ip: [2001:db8::7]'],
  ['with a port', 'x-real-ip: 203.0.113.77:4242'],
  ['IPv6 with a port', 'x-real-ip: [2001:db8::7]:4242'],
  ['no address', 'x-real-ip: x'],
  ['empty', 'x-real-ip:'],
  ['a list', 'x-real-ip: 203.0.113.77, 203.0.113.78'],
  ['two lines', 'x-real-ip: 203.0.113.77', 'x-real-ip: 203.0.113.78'],
  ['and x-forwarded-for', 'x-real-ip: 203.0.113.77', 'x-forwarded-for: 198.51.100.2'],
  ['x-forwarded-for alone', 'x-forwarded-for: 198.51.100.2'],
  ['blanks around', 'x-real-ip:   203.0.113.77  '],
];

const LISTS: readonly [string, ...string[]][] = [
  ['none'],
  ['one', 'x-forwarded-for: 203.0.113.9'],
  ['one, internal', 'x-forwarded-for: 10.1.2.3', 'x-envoy-retry-on: 5xx'],
  ['IPv6, internal', 'x-forwarded-for: fd00::1', 'x-envoy-retry-on: 5xx'],
  ['two', 'x-forwarded-for: 203.0.113.9, 198.51.100.2'],
  ['trusted behind', 'x-forwarded-for: 203.0.113.9, 10.1.2.3, 10.1.2.4'],
  ['all trusted', 'x-forwarded-for: 10.1.2.2,10.1.2.3', 'x-envoy-retry-on: 5xx'],
  ['three lines', 'x-forwarded-for: 203.0.113.9', 'x-forwarded-for: 198.51.100.2', 'x-forwarded-for: 10.0.0.1'],
];

/** What a list without entries is. */
const PRIVATE_LISTS: readonly [string, ...string[]][] = [
  ...['127.0.0.1', '127.0.0.2', '::1', 'fc00::1', 'fd00::1', 'fe80::1', '::ffff:10.1.2.3', '169.254.1.1', '100.64.0.1'],
  ...['9.255.255.255', '11.0.0.0', '172.15.255.255', '172.16.0.0', '172.31.255.255', '172.32.0.0', '192.168.0.1'],
].map((address) => [address, `x-forwarded-for: ${address}`]);

/** Around the number of entries that are looked at. */
const LONG_LISTS: readonly [string, ...string[]][] = [
  ['twenty', `x-forwarded-for: 203.0.113.9${', 10.1.2.3'.repeat(19)}`],
  ['twenty-one', `x-forwarded-for: 203.0.113.9${', 10.1.2.3'.repeat(20)}`],
  ['twenty, all trusted', `x-forwarded-for: 10.9.9.9${', 10.1.2.3'.repeat(19)}`],
  ['twenty with empty ones', `x-forwarded-for: 203.0.113.9${','.repeat(18)}, 10.1.2.3`],
  ['empty in front of trusted', 'x-forwarded-for: ,10.1.2.3'],
  ['empty between', 'x-forwarded-for: 203.0.113.9,,10.1.2.3'],
  ['one trusted with blanks', 'x-forwarded-for:  10.1.2.3 '],
];

/** What hostile or careless clients send. */
const HOSTILE: readonly [string, ...string[]][] = [
  ['empty', 'x-forwarded-for:'],
  ['commas', 'x-forwarded-for: ,,,'],
  ['comma behind', 'x-forwarded-for: 203.0.113.9,'],
  ['comma in front', 'x-forwarded-for: ,203.0.113.9'],
  ['blanks', 'x-forwarded-for:  203.0.113.9 ,   198.51.100.2  '],
  ['tabs', 'x-forwarded-for: 203.0.113.9,\t198.51.100.2'],
  ['leading zeros', 'x-forwarded-for: 010.1.2.3'],
  ['octal and hex', 'x-forwarded-for: 0x7f.1'],
  ['too large', 'x-forwarded-for: 256.1.1.1'],
  ['three parts', 'x-forwarded-for: 10.1.2'],
  ['port', 'x-forwarded-for: 10.1.2.3:80'],
  ['IPv6 with brackets', 'x-forwarded-for: [fd00::1]'],
  ['IPv6 with brackets and port', 'x-forwarded-for: [fd00::1]:80'],
  ['IPv6 with a zone', 'x-forwarded-for: fe80::1%eth0'],
  ['IPv4 in IPv6', 'x-forwarded-for: ::ffff:10.1.2.3'],
  ['IPv6 in long form', 'x-forwarded-for: FD00:0:0:0:0:0:0:1'],
  ['broken IPv6', 'x-forwarded-for: fd00:::1'],
  ['colons', 'x-forwarded-for: ::'],
  ['unknown', 'x-forwarded-for: unknown, 10.1.2.3'],
  ['garbage behind', 'x-forwarded-for: 10.1.2.3, garbage'],
  ['quoted', 'x-forwarded-for: "10.1.2.3"'],
  ['bytes', 'x-forwarded-for: 10.1.2.3\xe9'],
  ['long', `x-forwarded-for: ${'203.0.113.9, '.repeat(500)}10.1.2.3`],
];

function cases(to: string, table: readonly [string, ...string[]][]): Case[] {
  return table.map(([name, ...headers]) => ({
    name: `${to}: ${name}`,
    to,
    send: get('/', ...headers),
    probeMs: 5,
    view,
  }));
}

const config = bootstrap({ listeners, clusters: [cluster('a')] });

export const hcmAddressGroups: readonly Group[] = [
  {
    name: 'hcm detection',
    config,
    cases: [
      ...['custom', 'custom-trusted', 'custom-rejects'].flatMap((to) => cases(to, REAL)),
      ...['custom-low-code', 'custom-then-xff', 'xff-then-reject', 'xff-cidrs-then-custom'].flatMap((to) =>
        cases(
          to,
          REAL.filter(([name]) => /^(none|an |and|no |x-)/.test(name)),
        ),
      ),
      ...[
        ...['xff-0', 'xff-1', 'xff-2', 'xff-appends', 'xff-1-appends', 'xff-cidrs', 'xff-cidrs-append'],
        ...['xff-cidrs-other', 'xff-cidrs-then-xff', 'skip-append-of-manager', 'port'],
      ].flatMap((to) => cases(to, LISTS)),
      ...['xff-cidrs', 'xff-0'].flatMap((to) => cases(to, LONG_LISTS)),
    ],
  },
  {
    name: 'hcm forwarded',
    config,
    cases: [
      ...['main', 'xff-cidrs', 'remote', 'hops'].flatMap((to) => cases(to, HOSTILE)),
      ...['remote', 'hops', 'hops-port', 'plain-port', 'internal-empty', 'internal-unix'].flatMap((to) =>
        cases(to, LISTS),
      ),
      ...cases('internal-empty', PRIVATE_LISTS),
      ...cases('hops-port', [['port given', 'x-forwarded-port: 7', 'x-forwarded-for: 203.0.113.9']]),
      ...cases('plain-port', [['port given', 'x-forwarded-port: 7']]),
    ],
  },
];
