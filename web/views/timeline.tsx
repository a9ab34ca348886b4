// What changed: the object, how it differs, how far it came, and how the mesh did before and after.
import { useState } from 'preact/hooks';
import type { Signals, TimelineEntry } from '../../src/control/telemetry/page-types.ts';
import { Badge, Receipt } from '../parts/badges.tsx';
import { Command, Commands } from '../parts/command.tsx';
import { Diff } from '../parts/diff.tsx';
import { ago, dayTime, duration, rate, severityOf, share, shellWord, shortPlace } from '../parts/format.ts';
import { now, timeline } from '../state/mesh.ts';

const TONES = { added: 'info', changed: 'info', removed: 'odd', rejected: 'bad' } as const;
const MAX_SHOWN = 100;
/** Longer differences are folded. */
const FOLDED_ABOVE = 24;

export function TimelineView() {
  const [isAll, setAll] = useState(false);
  const entries = timeline.value.filter((entry) => isAll || !entry.isOfWorkloads);
  const hidden = timeline.value.length - entries.length;
  return (
    <section>
      <div class="view-head">
        <h1>What changed</h1>
        <Commands texts={['heddle status']} />
      </div>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label class="check">
          <input type="checkbox" checked={isAll} onChange={(event) => setAll(event.currentTarget.checked)} />
          {` Pods and endpoints too${isAll || hidden === 0 ? '' : ` (${hidden})`}`}
        </label>
      </form>
      {entries.length === 0 ? (
        <p class="empty">
          Nothing has changed since the control plane started. Edit a YAML file of the mesh and watch.
        </p>
      ) : (
        <ol class="changes">
          {entries
            .slice(-MAX_SHOWN)
            .reverse()
            .map((entry) => (
              <Change key={entry.id} entry={entry} />
            ))}
        </ol>
      )}
    </section>
  );
}

function Change({ entry }: { entry: TimelineEntry }) {
  const { action, kind, namespace, name, file, line, atMs, message } = entry;
  const isRejected = action === 'rejected';
  const title = name === '' ? (file.split('/').at(-1) ?? '') : name;
  return (
    <li class={`change ${action}`} data-change={entry.key}>
      <div class="change-head">
        <Badge tone={TONES[action]}>{action}</Badge>
        <h2>{title}</h2>
        <span class="quiet">{`${kind}${namespace === '' ? '' : ` in ${namespace}`}`}</span>
        <span class="spacer" />
        <time dateTime={new Date(atMs).toISOString()} title={dayTime(atMs)}>
          {ago(now.value - atMs)}
        </time>
      </div>
      <p class="file" title={file}>
        {file === '' ? '' : shortPlace(file, line)}
      </p>
      {message === '' ? null : <p class={isRejected ? 'finding error' : 'quiet'}>{message}</p>}
      {entry.diff === '' ? null : <FoldedDiff text={entry.diff} />}
      {isRejected ? null : (
        <div class="change-foot">
          <HowFar entry={entry} />
          <BeforeAfter entry={entry} />
          {name === '' || action === 'removed' ? null : (
            <Command text={`heddle status ${shellWord(commandName(entry))}`} />
          )}
        </div>
      )}
    </li>
  );
}

function commandName({ kind, namespace, name }: TimelineEntry): string {
  return namespace === '' ? `${kind}/${name}` : `${kind}/${namespace}/${name}`;
}

function FoldedDiff({ text }: { text: string }) {
  const lines = text.trimEnd().split('\n').length;
  if (lines <= FOLDED_ABOVE) return <Diff text={text} />;
  return (
    <details>
      <summary>{`${lines} lines differ or stand around`}</summary>
      <Diff text={text} />
    </details>
  );
}

function HowFar({ entry }: { entry: TimelineEntry }) {
  const { receipt, acceptedMs, liveMs, isSuperseded } = entry;
  return (
    <div class="far">
      <h3>Receipt</h3>
      {receipt === null ? <span class="quiet">on its way</span> : <Receipt receipt={receipt} />}
      <div class="quiet">
        {liveMs !== null && (receipt?.concerned ?? 0) > 0 ? `live everywhere after ${duration(liveMs)}` : ''}
        {liveMs === null && acceptedMs !== null ? `accepted after ${duration(acceptedMs)}` : ''}
        {isSuperseded ? 'changed again before it was live everywhere' : ''}
      </div>
      {(receipt?.refusals ?? []).map(({ proxy, message }) => (
        <p key={proxy} class="finding error">{`${proxy}: ${message}`}</p>
      ))}
    </div>
  );
}

function BeforeAfter({ entry: { before, after, afterS } }: { entry: TimelineEntry }) {
  return (
    <table class="compared">
      <caption class="unseen">The mesh in the 30 s before and after</caption>
      <thead>
        <tr>
          <th scope="col">The mesh</th>
          <th scope="col">30 s before</th>
          <th scope="col">{after === null || afterS >= 29 ? '30 s after' : `${Math.round(afterS)} s after`}</th>
        </tr>
      </thead>
      <tbody>
        <tr>
          <th scope="row">Errors</th>
          <Cell signals={before} figure={(one) => share(one.errorShare)} isColoured />
          <Cell signals={after} figure={(one) => share(one.errorShare)} isColoured />
        </tr>
        <tr>
          <th scope="row">p99</th>
          <Cell signals={before} figure={(one) => duration(one.p99Ms)} />
          <Cell signals={after} figure={(one) => duration(one.p99Ms)} />
        </tr>
        <tr>
          <th scope="row">Requests</th>
          <Cell signals={before} figure={(one) => rate(one.perSecond)} />
          <Cell signals={after} figure={(one) => rate(one.perSecond)} />
        </tr>
      </tbody>
    </table>
  );
}

type CellParts = { signals: Signals | null; figure: (signals: Signals) => string; isColoured?: boolean };

function Cell({ signals, figure, isColoured = false }: CellParts) {
  if (signals === null) return <td class="quiet">–</td>;
  return <td class={isColoured ? `figure ${severityOf(signals.errorShare)}` : ''}>{figure(signals)}</td>;
}
