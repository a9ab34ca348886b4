// States, receipts and shares in a word and a colour.
import type { WorkloadState } from '../../src/telemetry/mesh-report.ts';
import { severityOf, success } from './format.ts';

type Tone = 'good' | 'odd' | 'bad' | 'none' | 'info';

export function Badge({ tone, children, title }: { tone: Tone; children: string; title?: string }) {
  return (
    <span class={`badge ${tone}`} title={title}>
      {children}
    </span>
  );
}

export function toneOfState(state: WorkloadState | null): Tone {
  if (state === 'ready') return 'good';
  if (state === 'starting' || state === 'not ready') return 'odd';
  return state === 'failed' || state === 'restarting' ? 'bad' : 'none';
}

export function Success({ errorShare }: { errorShare: number | null }) {
  return <span class={`figure ${severityOf(errorShare)}`}>{success(errorShare)}</span>;
}

type Far = {
  readonly concerned: number;
  readonly accepted: number;
  readonly live: number;
  readonly refusals: readonly unknown[];
};

/** How far something came among the proxies. */
export function Receipt({ receipt }: { receipt: Far }) {
  const { concerned, accepted, live, refusals } = receipt;
  if (concerned === 0) return <span class="quiet">concerns no connected proxy</span>;
  const tone = refusals.length > 0 ? 'bad' : live === concerned ? 'good' : 'odd';
  const word = refusals.length > 0 ? 'refused' : accepted < concerned ? `accepted by ${accepted}` : 'accepted';
  return (
    <span class="receipt">
      <span class={`bar ${tone}`} aria-hidden="true">
        <span style={{ width: `${(100 * live) / concerned}%` }} />
      </span>
      <span>
        {word}, live in {live} of {concerned}
      </span>
    </span>
  );
}
