// One node of the graph: who it is, how it is, and how it answers.
import type { GraphNode, NodeKind } from '../../src/control/telemetry/page-types.ts';
import { toneOfState } from '../parts/badges.tsx';
import { rate, severityOf, success } from '../parts/format.ts';
import { NODE_HEIGHT, NODE_WIDTH, type Point } from './layout.ts';

const MAX_LABEL = 16;

const PICTURES: Readonly<Record<NodeKind, string>> = {
  workload: 'M8 1.5 13.8 4.8v6.4L8 14.5 2.2 11.2V4.8zM2.4 4.9 8 8l5.6-3.1M8 8v6.3',
  ingress: 'M9.5 2.5h4v11h-4M2 8h7.5M6.5 5l3 3-3 3',
  egress: 'M6.5 2.5h-4v11h4M6 8h8M11 5l3 3-3 3',
  external:
    'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M1.8 8h12.4M8 1.8c2.2 2 2.9 4 2.9 6.2' +
    'S10.2 12.2 8 14.2M8 1.8C5.8 3.8 5.1 5.8 5.1 8S5.8 12.2 8 14.2',
  unknown: 'M8 8.2a3 3 0 1 0 0-6 3 3 0 0 0 0 6M2.5 14c.5-2.8 2.7-4.3 5.5-4.3s5 1.5 5.5 4.3',
};

export const KIND_NAMES: Readonly<Record<NodeKind, string>> = {
  workload: 'workload',
  ingress: 'ingress gateway',
  egress: 'egress gateway',
  external: 'outside host',
  unknown: 'not in the mesh',
};

type Parts = {
  readonly node: GraphNode;
  readonly at: Point;
  readonly isChosen: boolean;
  readonly isFaded: boolean;
  readonly onChoose: () => void;
};

export function NodeShape({ node, at, isChosen, isFaded, onChoose }: Parts) {
  const { label, kind, state, versions, inbound } = node;
  const tone = state === null ? 'none' : toneOfState(state);
  const isUp = state === null || state === 'ready';
  const severity = severityOf(inbound.errorShare);
  const isPlain = kind === 'workload';
  const words = [isPlain ? node.namespace : KIND_NAMES[kind], ...versions.slice(0, 2)].filter(Boolean).join(' · ');
  const classes = ['node', kind, tone, isChosen ? 'chosen' : '', isFaded ? 'faded' : ''].join(' ');
  const transform = `translate(${(at.x - NODE_WIDTH / 2).toFixed(1)} ${(at.y - NODE_HEIGHT / 2).toFixed(1)})`;
  return (
    <g
      class={classes}
      transform={transform}
      data-node={node.id}
      role="button"
      tabindex={0}
      aria-pressed={isChosen}
      aria-label={[label, words, state ?? '', rate(inbound.perSecond), `success ${success(inbound.errorShare)}`].join(
        ', ',
      )}
      onClick={onChoose}
      onKeyDown={(event) => onKey(event, onChoose)}
    >
      <title>{[label, node.namespace, node.reason].filter((text) => text !== '').join('\n')}</title>
      <rect class="box" width={NODE_WIDTH} height={NODE_HEIGHT} rx="9" />
      <g class="picture" transform="translate(13 12)">
        <path d={PICTURES[kind]} />
      </g>
      <text class="label" x="38" y="24">
        {label.length > MAX_LABEL ? `${label.slice(0, MAX_LABEL - 1)}…` : label}
      </text>
      {state === null ? null : <circle class="state" cx={NODE_WIDTH - 14} cy="19" r="4" />}
      <text class="words" x="13" y="41">
        {words}
      </text>
      {isUp ? (
        <text class="figures" x="13" y="56">
          <tspan>{kind === 'unknown' && inbound.perSecond === 0 ? '' : rate(inbound.perSecond)}</tspan>
          <tspan class={`figure ${severity}`} dx="8">
            {inbound.errorShare === null ? '' : success(inbound.errorShare)}
          </tspan>
        </text>
      ) : (
        <text class="figures figure bad" x="13" y="56">
          {state}
        </text>
      )}
    </g>
  );
}

export function onKey(event: KeyboardEvent, choose: () => void): void {
  if (event.key !== 'Enter' && event.key !== ' ') return;
  event.preventDefault();
  choose();
}
