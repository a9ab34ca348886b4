// One edge of the graph: as thick as it is busy, in the colour of its errors, with a lock where it is encrypted.
import type { GraphEdge } from '../../src/control/telemetry/page-types.ts';
import { duration, rate, severityOf, share } from '../parts/format.ts';
import { arrowOf, type Layout, pathOf } from './layout.ts';
import { onKey } from './node.tsx';

export const MTLS_WORDS: Readonly<Record<GraphEdge['mutualTls'], string>> = {
  all: 'mutual TLS',
  some: 'mutual TLS for some of it',
  none: 'plain text',
  unknown: 'whether it is encrypted is not known',
};

type Parts = {
  readonly edge: GraphEdge;
  readonly place: NonNullable<ReturnType<Layout['edges']['get']>>;
  readonly names: string;
  readonly isChosen: boolean;
  readonly isFaded: boolean;
  readonly isStill: boolean;
  readonly onChoose: () => void;
};

export function EdgeShape({ edge, place, names, isChosen, isFaded, isStill, onChoose }: Parts) {
  const { perSecond, errorShare, mutualTls, protocol } = edge;
  const path = pathOf(place.points);
  const width = 1.4 + Math.min(5, 1.5 * Math.log10(1 + perSecond));
  const severity = perSecond === 0 ? 'none' : severityOf(errorShare);
  const classes = ['edge', severity, protocol, isChosen ? 'chosen' : '', isFaded ? 'faded' : ''].join(' ');
  const facts = [rate(perSecond), `errors ${share(errorShare)}`, `p99 ${duration(edge.p99Ms)}`, MTLS_WORDS[mutualTls]];
  return (
    <g
      class={classes}
      data-edge={names}
      role="button"
      tabindex={0}
      aria-pressed={isChosen}
      aria-label={`${names}: ${facts.join(', ')}`}
      onClick={onChoose}
      onKeyDown={(event) => onKey(event, onChoose)}
    >
      <title>{`${names}\n${facts.join('\n')}`}</title>
      <path class="reach" d={path} />
      <path class="line" d={path} style={{ strokeWidth: `${width}px` }} />
      {perSecond > 0 && !isStill ? (
        <path class="flow" d={path} style={{ strokeWidth: `${width + 1}px`, animationDuration: paceOf(perSecond) }} />
      ) : null}
      <path class="head" d={arrowOf(place.points, 7 + width)} />
      <EdgeLabel edge={edge} x={place.label.x} y={place.label.y} />
    </g>
  );
}

/** In steps: each other value begins the movement anew. */
function paceOf(perSecond: number): string {
  if (perSecond < 1) return '3s';
  if (perSecond < 10) return '2s';
  return perSecond < 100 ? '1.3s' : '.8s';
}

function EdgeLabel({ edge, x, y }: { edge: GraphEdge; x: number; y: number }) {
  const { perSecond, errorShare, mutualTls, protocol } = edge;
  const hasErrors = (errorShare ?? 0) > 0;
  const hasLock = mutualTls !== 'unknown';
  const text = protocol === 'tcp' ? `${rate(perSecond)} tcp` : rate(perSecond);
  const errors = hasErrors ? `${share(errorShare)} err` : '';
  const width = Math.max(text.length * 6.8 + (hasLock ? 15 : 0), errors.length * 6.8) + 12;
  return (
    <g class="edge-label" transform={`translate(${x.toFixed(1)} ${y.toFixed(1)})`}>
      <rect x={-width / 2} y={hasErrors ? -17 : -10} width={width} height={hasErrors ? 34 : 20} rx="6" />
      {hasLock ? (
        <g
          class={`lock ${mutualTls}`}
          transform={`translate(${-(text.length * 6.8 + 15) / 2 - 1} ${hasErrors ? -13 : -6})`}
        >
          <rect x="1" y="5.5" width="9" height="6.5" rx="1.3" />
          <path d={mutualTls === 'all' ? 'M3 5.5V3.7a2.5 2.5 0 0 1 5 0v1.8' : 'M3 5.5V3.2a2.4 2.4 0 0 1 4.6-1'} />
        </g>
      ) : null}
      <text x={hasLock ? 7 : 0} y={hasErrors ? -3 : 4}>
        {text}
      </text>
      {hasErrors ? (
        <text class="errors" y="12">
          {errors}
        </text>
      ) : null}
    </g>
  );
}
