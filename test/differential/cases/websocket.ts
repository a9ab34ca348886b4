// Differential cases: WebSocket and other upgrades — between every two versions of HTTP, their ends, where they may be.
import type { Case, ClientStep, Group, Http2Action, Http2Field, Http2Step, ReplyAction } from '../case.ts';
import { bootstrap, cluster, type Fields, filter, http, route, textLog } from '../config.ts';
import { undated } from './connect-config.ts';
import { http2Cluster } from './http2-exchange.ts';

const LOG =
  '%PROTOCOL% code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% details=%RESPONSE_CODE_DETAILS% rx=%BYTES_RECEIVED% ' +
  'tx=%BYTES_SENT% upstream=%UPSTREAM_PROTOCOL% route=%ROUTE_NAME% %REQ(:METHOD)% %REQ(:PATH)% %REQ(UPGRADE)% ' +
  '%RESP(UPGRADE)%\n';

const STATS = [
  '^http\\.[^.]+\\.downstream_(cx_upgrades_.*|rq_(ws_on|rx_reset|tx_reset|active|timeout))',
  '^cluster\\.[^.]+\\.upstream_(cx_destroy.*|rq_.*)$',
];

const websocket = { upgrade_configs: [{ upgrade_type: 'websocket' }] };
const http2 = { codec_type: 'AUTO', http2_protocol_options: { allow_connect: true } };

const mutation = (value: string): Fields =>
  filter('mutation', 'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation', {
    mutations: {
      request_mutations: [{ append: { header: { key: 'x-chain', value } } }],
      response_mutations: [{ append: { header: { key: 'x-chain', value } } }],
    },
  });
const router = filter('router', 'envoy.extensions.filters.http.router.v3.Router');
const ownMutation = (value: string): Fields => ({
  typed_per_filter_config: {
    mutation: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute',
      mutations: { response_mutations: [{ append: { header: { key: 'x-route', value } } }] },
    },
  },
});

type Options = { readonly hcm?: Fields; readonly filters?: readonly Fields[] };

function listener(name: string, routes: readonly Fields[], { hcm = websocket, filters = [] }: Options = {}): Fields {
  return http({ name, routes, log: [textLog(LOG)], hcm: { ...http2, ...hcm }, filters });
}

const on = { upgrade_configs: [{ upgrade_type: 'websocket' }] };
const off = { upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }] };

const config = bootstrap({
  listeners: [
    listener('main', [
      route('/h2', 'h2'),
      route('/off', 'h1', off),
      route('/h1', 'h1'),
      { match: { prefix: '/direct' }, direct_response: { status: 200 } },
    ]),
    listener('none', [route('/on', 'h1', on), route('/', 'h1')], { hcm: {} }),
    listener('explicit-off', [route('/on', 'h1', on), route('/', 'h1')], {
      hcm: { upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }] },
    }),
    listener('two', [route('/', 'h1')], {
      hcm: { upgrade_configs: [{ upgrade_type: 'WebSocket' }, { upgrade_type: 'other/1' }] },
    }),
    listener('disallowed', [route('/', 'h1')], { hcm: { ...websocket, http2_protocol_options: {} } }),
    listener('filters', [route('/mine', 'h1', {}, ownMutation('mine')), route('/', 'h1')], {
      filters: [mutation('plain')],
      hcm: { upgrade_configs: [{ upgrade_type: 'websocket', filters: [mutation('upgrade'), router] }] },
    }),
    listener('other-filters', [route('/', 'h1')], {
      hcm: {
        upgrade_configs: [
          { upgrade_type: 'websocket' },
          { upgrade_type: 'other', filters: [mutation('other'), router] },
        ],
      },
    }),
    listener('request-timeout', [route('/', 'h1')], { hcm: { ...websocket, request_timeout: '0.15s' } }),
    listener('stream-idle', [route('/', 'h1')], { hcm: { ...websocket, stream_idle_timeout: '0.2s' } }),
    listener('route-timeout', [route('/', 'h1', { timeout: '0.15s' })]),
    listener('duration', [route('/', 'h1', { max_stream_duration: { max_stream_duration: '0.2s' } })]),
  ],
  clusters: [cluster('h1', ['a']), http2Cluster('h2', { allow_connect: true })],
});

// ─── Exchanges told once for both versions ────────────────────────────────────────────────────────────────────────

type Version = 'h1' | 'h2';

const KEY: readonly Http2Field[] = [
  ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ['sec-websocket-version', '13'],
];
const fields = (all: readonly Http2Field[]): string => all.map(([name, value]) => `${name}: ${value}\r\n`).join('');

function h1Ask(path: string, type = 'websocket', more: readonly Http2Field[] = []): string {
  const asked: Http2Field[] = [['host', 'one.example'], ['connection', 'Upgrade'], ['upgrade', type], ...KEY, ...more];
  return `GET ${path} HTTP/1.1\r\n${fields(asked)}\r\n`;
}

function h2Ask(path: string, type = 'websocket', more: readonly Http2Field[] = []): Http2Field[] {
  const pseudo: Http2Field[] = [
    [':method', 'CONNECT'],
    [':protocol', type],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'one.example'],
  ];
  return [...pseudo, ...KEY, ...more];
}

/** What a client does once it has asked: the same words in either version. */
type Act =
  | { readonly say: string }
  | { readonly hear: number }
  | { readonly wait: number }
  | 'end'
  | 'reset'
  | 'leave'
  | 'ended';

function client(
  version: Version,
  path: string,
  acts: readonly Act[],
  until: 'head' | 'nothing' = 'head',
): Partial<Case> {
  let heard = 0;
  if (version === 'h2') {
    const steps: Http2Step[] = [{ head: h2Ask(path) }];
    if (until === 'head') steps.push({ until: 'head' });
    for (const act of acts) {
      if (act === 'end') steps.push({ data: '', end: true });
      else if (act === 'reset') steps.push({ reset: 'CANCEL' });
      else if (act === 'leave') steps.push('close');
      else if (act === 'ended') steps.push({ until: 'end' });
      else if ('say' in act) steps.push({ data: act.say });
      else if ('wait' in act) steps.push({ wait: act.wait });
      else steps.push({ untilBytes: (heard += act.hear) });
    }
    return { http2: steps };
  }
  const steps: ClientStep[] = [h1Ask(path)];
  if (until === 'head') steps.push({ readHead: 1 });
  for (const act of acts) {
    if (act === 'end') steps.push('half-close');
    else if (act === 'reset') steps.push('reset');
    else if (act === 'leave') steps.push('close');
    else if (act === 'ended') steps.push('read-close');
    else if ('say' in act) steps.push(act.say);
    else if ('wait' in act) steps.push({ wait: act.wait });
    else steps.push({ readBytes: (heard += act.hear) });
  }
  return { send: steps };
}

/** What a server does, which answers 101 or 200 first. */
type Deed = { readonly say: string } | { readonly hear: number } | { readonly wait: number } | 'echo' | 'end' | 'reset';

const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: x\r\n\r\n';

function server(deeds: readonly Deed[]): Partial<Case> {
  const replies: ReplyAction[] = [SWITCHING];
  const http2: Http2Action[] = [
    {
      head: [
        [':status', '200'],
        ['sec-websocket-accept', 'x'],
      ],
    },
  ];
  let heard = 0;
  for (const deed of deeds) {
    if (deed === 'echo') {
      replies.push({ echo: true });
      http2.push({ echo: true });
    } else if (deed === 'end') {
      replies.push('fin');
      http2.push({ data: '', end: true });
    } else if (deed === 'reset') {
      replies.push('rst');
      http2.push({ rst: 'CANCEL' });
    } else if ('say' in deed) {
      replies.push(deed.say);
      http2.push({ data: deed.say });
    } else if ('hear' in deed) {
      heard += deed.hear;
      replies.push({ awaitBytes: heard });
      http2.push({ awaitBytes: heard });
    } else {
      replies.push(deed);
      http2.push(deed);
    }
  }
  const early = { on: 'head', actions: http2 } as const;
  return { upstream: { a: { replies: [{ on: 'head', actions: replies }], http2: { replies: [early] } } } };
}

type Exchange = { readonly acts: readonly Act[]; readonly deeds: readonly Deed[]; readonly until?: 'nothing' };

const EXCHANGES: Readonly<Record<string, Exchange>> = {
  'a word each way': { acts: [{ say: 'ping' }, { hear: 4 }], deeds: ['echo'] },
  'data before the answer': { acts: [{ say: 'ping' }, { hear: 4 }], deeds: ['echo'], until: 'nothing' },
  'the server speaks first': { acts: [{ hear: 5 }, { say: 'x' }, { wait: 30 }], deeds: [{ say: 'hello' }] },
  'the client ends': {
    acts: [{ hear: 2 }, { say: 'bye' }, { wait: 20 }, 'end', { wait: 80 }],
    deeds: [{ say: 'hi' }, { hear: 3 }, { wait: 80 }],
  },
  'the client ends, then the server': {
    acts: [{ hear: 2 }, 'end', 'ended'],
    deeds: [{ say: 'hi' }, { wait: 80 }, { say: 'late' }, 'end'],
  },
  'the client resets': { acts: [{ hear: 2 }, 'reset'], deeds: [{ say: 'hi' }, { wait: 80 }] },
  'the client leaves': { acts: [{ hear: 2 }, 'leave'], deeds: [{ say: 'hi' }, { wait: 80 }] },
  'the server ends': { acts: [{ hear: 2 }, { wait: 80 }], deeds: [{ say: 'hi' }, { wait: 30 }, 'end', { wait: 50 }] },
  'the server resets': { acts: [{ hear: 2 }, { wait: 80 }], deeds: [{ say: 'hi' }, { wait: 30 }, 'reset'] },
};

const WAYS = ['h1 to h1', 'h1 to h2', 'h2 to h1', 'h2 to h2'] as const;

function* between(): Generator<Case> {
  for (const [name, { acts, deeds, until = 'head' }] of Object.entries(EXCHANGES)) {
    for (const way of WAYS) {
      const [from, , to] = way.split(' ') as [Version, 'to', Version];
      yield {
        name: `${way}: ${name}`,
        ...client(from, `/${to}`, acts, until),
        ...server(deeds),
        stats: STATS,
        settleMs: 60,
        upstreamFate: true,
        view: undated,
      };
    }
  }
}

// ─── Where upgrades may be ────────────────────────────────────────────────────────────────────────────────────────

/** One wish and its answer; where it is agreed, a word follows. */
function* wishes(name: string, to: string, path: string, type: string, isAgreed: boolean): Generator<Case> {
  const around: Partial<Case> = { to, ...server(['echo']), stats: STATS, settleMs: 40, view: undated };
  const h1: ClientStep[] = isAgreed ? ['ping', { readBytes: 4 }] : [];
  const h2: Http2Step[] = isAgreed ? [{ data: 'ping' }, { untilBytes: 4 }] : [];
  yield { ...around, name: `h1: ${name}`, send: [h1Ask(path, type), { readHead: 1 }, ...h1, { wait: 60 }] };
  yield {
    ...around,
    name: `h2: ${name}`,
    http2: [{ head: h2Ask(path, type) }, { until: 'head' }, ...h2, { wait: 60 }],
  };
}

const agreed = (name: string, to: string, path: string, type = 'websocket'): Iterable<Case> =>
  wishes(name, to, path, type, true);
const refused = (name: string, to: string, path: string, type = 'websocket'): Iterable<Case> =>
  wishes(name, to, path, type, false);

const places: readonly Case[] = [
  ...agreed('allowed', 'main', '/h1'),
  ...agreed('in capitals', 'main', '/h1', 'WEBSOCKET'),
  ...refused('off on the route', 'main', '/off'),
  ...refused('no route', 'main', '/nowhere'),
  ...refused('direct response', 'main', '/direct'),
  ...refused('another type', 'main', '/h1', 'other'),
  ...refused('no upgrades', 'none', '/'),
  ...agreed('on on the route alone', 'none', '/on'),
  ...refused('off in the connection manager', 'explicit-off', '/'),
  ...agreed('off in the connection manager, on on the route', 'explicit-off', '/on'),
  ...agreed('one of two types', 'two', '/', 'other/1'),
  ...refused('not allowed by the codec', 'disallowed', '/'),
  ...agreed('filters of its own', 'filters', '/'),
  ...agreed('filters of its own, configured by the route', 'filters', '/mine'),
  ...agreed('filters of another type', 'other-filters', '/'),
  ...agreed('request timeout', 'request-timeout', '/'),
  plain('a plain request beside filters of upgrades', 'filters'),
];

function plain(name: string, to: string): Case {
  return { name, to, send: 'GET / HTTP/1.1\r\nhost: one.example\r\n\r\n', stats: STATS };
}

function* timed(): Generator<Case> {
  for (const to of ['request-timeout', 'stream-idle', 'route-timeout', 'duration']) {
    for (const version of ['h1', 'h2'] as const) {
      yield {
        name: `${version}: ${to}`,
        to,
        ...client(version, '/', [{ say: 'ping' }, { hear: 4 }, { wait: 500 }]),
        ...server(['echo']),
        stats: STATS,
        settleMs: 40,
        view: undated,
      };
    }
  }
}

export const websocketGroups: readonly Group[] = [
  { name: 'websocket', config, cases: [...between()] },
  { name: 'websocket places', config, cases: [...places, ...timed()] },
];
