// Differential cases: how relayed connections end — FIN, RST and close of either side, in every order.
import type { Case, Group, RelayStep } from '../case.ts';
import { JOINED, relay, TALK, tcpProxyConfig, without } from './tcp-config.ts';

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

function* endCases(): Generator<Case> {
  for (const [who, other, label] of [
    ['c', 'u', 'client'],
    ['u', 'c', 'upstream'],
  ] as const) {
    for (const end of ENDS) {
      for (const [what, follow] of Object.entries(FOLLOW_UPS)) {
        // Whoever closed answers further bytes with RST, and how soon the proxy learns of it is left to chance.
        if (end === 'close' && what === 'data and fin') continue;
        const steps: RelayStep[] = [...TALK, [who, end], [other, 'sees', 'end'], ...follow(other, who), ['wait', 40]];
        yield relay(`${label} ${end}, then from the other side ${what}`, steps);
      }
      yield relay(`${label} ${end} before any byte`, [...JOINED, [who, end], [other, 'sees', 'end'], ['wait', 40]]);
    }
    for (const second of ['reset', 'close'] as const) {
      const steps: RelayStep[] = [...TALK, [who, 'fin'], [other, 'sees', 'fin'], [who, second], ['wait', 40]];
      yield relay(`${label} fin, then ${second}`, steps);
    }
    yield relay(
      `${label} sends and ends at once`,
      [
        ...JOINED,
        [who, 'send', 'everything'],
        [who, 'fin'],
        [other, 'gets', 10],
        [other, 'sees', 'fin'],
        [other, 'send', 'reply'],
        [other, 'fin'],
        [who, 'gets', 5],
        [who, 'sees', 'fin'],
      ],
      { view: without('tcp.main.upstream_flush_total') },
    );
  }
  const ended = ['local', 'remote'].map((by) => `cluster.a.upstream_cx_destroy_${by}`);
  yield relay('both end at once', [...TALK, ['c', 'fin'], ['u', 'fin'], ['c', 'sees', 'fin'], ['u', 'sees', 'fin']], {
    view: without(...ended, ...ended.map((name) => `${name}_with_active_rq`)),
  });
}

const otherEnds: readonly Case[] = [
  relay('server speaks first', [
    ['c', 'connect'],
    ['u', 'send', '220 hello'],
    ['c', 'gets', 9],
    ['c', 'send', 'HELO'],
  ]),
  relay('many small messages', [
    ...JOINED,
    ...Array.from({ length: 20 }, (_, i): RelayStep[] => [
      ['c', 'send', `m${i % 10}`],
      ['u', 'gets', 2 * (i + 1)],
      ['u', 'send', `r${i % 10}`],
      ['c', 'gets', 2 * (i + 1)],
    ]).flat(),
    ['c', 'fin'],
    ['u', 'sees', 'fin'],
    ['u', 'fin'],
    ['c', 'sees', 'fin'],
  ]),
  relay('three connections', [
    ['c', 'connect'],
    ['c', 'send', 'one'],
    ['u', 'gets', 3],
    ['c2', 'connect'],
    ['c2', 'send', 'two'],
    ['u2', 'gets', 3],
    ['c3', 'connect'],
    ['c3', 'send', 'three'],
    ['u3', 'gets', 5],
    ['u2', 'fin'],
    ['c2', 'sees', 'fin'],
    ['c3', 'reset'],
    ['u3', 'sees', 'end'],
  ]),
];

export const tcpEndGroups: readonly Group[] = [
  { name: 'tcp_proxy ends', config: tcpProxyConfig, cases: [...endCases(), ...otherEnds] },
];
