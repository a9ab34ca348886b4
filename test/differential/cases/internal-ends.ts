// Differential cases: how connections through an internal listener end — FIN, RST and close of either side.
import type { Case, Group, RelayStep } from '../case.ts';
import { bootstrap, cluster, type Fields } from '../config.ts';
import { inner, INTERNAL_EXTENSION, outer, passing, tcpProxy, toInternal } from './internal-config.ts';
import { relay, without } from './tcp-config.ts';

const config = bootstrap({
  listeners: [
    outer('main', 'to-inner'),
    inner('inner', [tcpProxy('inner', 'a')]),
    outer('twice', 'to-first'),
    inner('first', [tcpProxy('first', 'to-inner')]),
  ],
  clusters: [cluster('a'), toInternal('to-inner', 'inner'), toInternal('to-first', 'first', passing())],
  around: INTERNAL_EXTENSION,
});

const STATS = [
  '^tcp\\.',
  '^cluster\\.[^.]+\\.upstream_cx_.*',
  '^listener\\.(?!admin|barrier)[^.]+\\.downstream_(cx|pre)_',
];

type End = 'fin' | 'reset' | 'close';
const ENDS: readonly End[] = ['fin', 'reset', 'close'];
const FOLLOW_UPS: Readonly<Record<string, (who: string, other: string) => readonly RelayStep[]>> = {
  nothing: () => [],
  fin: (who) => [[who, 'fin']],
  'data and fin': (who, other) => [
    [who, 'send', 'more'],
    ['wait', 15],
    [who, 'fin'],
    [other, 'sees', 'end'],
  ],
  reset: (who) => [[who, 'reset']],
  close: (who) => [[who, 'close']],
};

const joined = (listener: string): readonly RelayStep[] => [
  ['c', 'connect', listener],
  ['u', 'gets', 0],
];
const talk = (listener: string): readonly RelayStep[] => [
  ...joined(listener),
  ['c', 'send', 'question'],
  ['u', 'gets', 8],
  ['u', 'send', 'answer'],
  ['c', 'gets', 6],
];

function* endCases(listener: string): Generator<Case> {
  const ends = (name: string, steps: readonly RelayStep[], around: Partial<Case> = {}): Case =>
    relay(`${listener}: ${name}`, steps, { stats: STATS, ...around });
  for (const [who, other, label] of [
    ['c', 'u', 'client'],
    ['u', 'c', 'upstream'],
  ] as const) {
    for (const end of ENDS) {
      for (const [what, follow] of Object.entries(FOLLOW_UPS)) {
        // Whoever closed answers further bytes with RST, and how soon the proxy learns of it is left to chance.
        if (end === 'close' && what === 'data and fin') continue;
        const steps: RelayStep[] = [...talk(listener), [who, end], [other, 'sees', 'end'], ...follow(other, who)];
        yield ends(`${label} ${end}, then from the other side ${what}`, [...steps, ['wait', 40]]);
      }
      yield ends(`${label} ${end} before any byte`, [
        ...joined(listener),
        [who, end],
        [other, 'sees', 'end'],
        ['wait', 40],
      ]);
    }
    for (const second of ['reset', 'close'] as const) {
      const steps: RelayStep[] = [...talk(listener), [who, 'fin'], [other, 'sees', 'fin'], [who, second], ['wait', 40]];
      yield ends(`${label} fin, then ${second}`, steps);
    }
    yield ends(
      `${label} sends and ends at once`,
      [
        ...joined(listener),
        [who, 'send', 'everything'],
        [who, 'fin'],
        [other, 'gets', 10],
        [other, 'sees', 'fin'],
        [other, 'send', 'reply'],
        [other, 'fin'],
        [who, 'gets', 5],
        [who, 'sees', 'fin'],
      ],
      { view: without(...['main', 'inner'].map((name) => `tcp.${name}.upstream_flush_total`)) },
    );
  }
}

const inbound = { traffic_direction: 'INBOUND' };
/** One case each: what it does to the proxy stays. */
const drained = (name: string, request: string, around: Fields): Group => ({
  name: `internal ${name}`,
  config: bootstrap({
    listeners: [outer('main', 'to-inner'), inner('inner', [tcpProxy('inner', 'a')], around)],
    clusters: [cluster('a'), toInternal('to-inner', 'inner')],
    around: INTERNAL_EXTENSION,
  }),
  cases: [
    relay(
      'before and after',
      [
        ...talk('main'),
        ['admin', request],
        ['wait', 50],
        ['c', 'send', 'more'],
        ['u', 'gets', 12],
        ['c2', 'connect', 'main'],
        ['c2', 'send', 'new'],
        ['wait', 100],
      ],
      {
        stats: [...STATS, '^listener_manager\\.'],
        view: (observation) => ({ ...observation, log: [...observation.log].sort() }),
      },
    ),
  ],
});

export const internalEndGroups: readonly Group[] = [
  { name: 'internal ends', config, cases: [...endCases('main'), ...endCases('twice')] },
  drained('listener that stopped', 'POST /drain_listeners?inboundonly', inbound),
  drained('listener beside those that stopped', 'POST /drain_listeners?inboundonly', {}),
  drained('listener that drains', 'POST /drain_listeners?graceful&skip_exit&inboundonly', inbound),
];
