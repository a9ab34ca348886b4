// What is around each view: the mesh in one line, the views, and what is wrong with the connection.
import type { ComponentChildren } from 'preact';
import {
  connection,
  isPaused,
  isStale,
  reportAgeMs,
  setPaused,
  timeline,
  traffic,
  version,
  windowS,
} from '../state/mesh.ts';
import { addressOf, route, VIEWS, type View } from '../state/route.ts';
import { Success } from './badges.tsx';
import { ago, duration, rate } from './format.ts';
import { PauseIcon, PlayIcon } from './icons.tsx';

const TITLES: Readonly<Record<View, string>> = {
  graph: 'Graph',
  workloads: 'Workloads',
  requests: 'Requests',
  objects: 'Objects',
  timeline: 'Timeline',
};
const WINDOWS = [
  [10, '10 s'],
  [60, '1 min'],
  [300, '5 min'],
] as const;

export function Shell({ children }: { children: ComponentChildren }) {
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => document.getElementById('view')?.focus()}>
        Skip to the view
      </button>
      <header>
        <div class="brand">
          <Mark />
          <span>Heddle</span>
        </div>
        <Health />
        <Totals />
        <div class="spacer" />
        <Windows />
        <Pause />
      </header>
      <Views />
      <Notice />
      <main id="view" tabIndex={-1}>
        {children}
      </main>
      <footer>
        <span>{traffic.value?.graph.capture || 'no report of traffic yet'}</span>
        <span>Heddle {version}</span>
      </footer>
    </div>
  );
}

const Mark = () => (
  <svg width="26" height="26" viewBox="0 0 32 32" aria-hidden="true">
    <rect class="mark" width="32" height="32" rx="7" />
    <g fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round">
      <path d="M9 6v20M23 6v20" />
      <path d="M9 12c5 0 9 8 14 8M9 20c5 0 9-8 14-8" opacity=".72" />
    </g>
  </svg>
);

function Health() {
  const [tone, text] = healthOf();
  return (
    <div class={`health ${tone}`} role="status">
      <span class="dot" />
      {text}
    </div>
  );
}

function healthOf(): readonly [string, string] {
  if (connection.value === 'connecting') return ['none', 'connecting'];
  if (connection.value !== 'open') return ['bad', 'connection lost'];
  if (isPaused.value) return ['none', 'paused'];
  if (reportAgeMs.value === null) return ['none', 'waiting for traffic'];
  return isStale.value ? ['odd', `last report ${ago(reportAgeMs.value)}`] : ['good', 'live'];
}

function Totals() {
  const total = traffic.value?.graph.total;
  if (total === undefined) return null;
  return (
    <dl class="totals">
      <div title="Between all workloads: a request that passes three of them counts as often">
        <dt>Requests</dt>
        <dd>{rate(total.perSecond)}</dd>
      </div>
      <div>
        <dt>Success</dt>
        <dd>
          <Success errorShare={total.errorShare} />
        </dd>
      </div>
      <div class="wide">
        <dt>p50</dt>
        <dd>{duration(total.p50Ms)}</dd>
      </div>
      <div class="wide">
        <dt>p99</dt>
        <dd>{duration(total.p99Ms)}</dd>
      </div>
    </dl>
  );
}

const Windows = () => (
  <fieldset class="windows">
    <legend class="unseen">Figures of the last</legend>
    {WINDOWS.map(([seconds, label]) => (
      <button
        key={seconds}
        type="button"
        aria-pressed={windowS.value === seconds}
        onClick={() => {
          windowS.value = seconds;
        }}
      >
        {label}
      </button>
    ))}
  </fieldset>
);

function Pause() {
  const paused = isPaused.value;
  return (
    <button type="button" class="pause" aria-pressed={paused} onClick={() => setPaused(!paused)}>
      {paused ? <PlayIcon /> : <PauseIcon />}
      <span>{paused ? 'Go on' : 'Pause'}</span>
    </button>
  );
}

function Views() {
  const changes = timeline.value.filter((entry) => !entry.isOfWorkloads).length;
  return (
    <nav aria-label="Views">
      {VIEWS.map((view) => (
        <a key={view} href={addressOf(view)} aria-current={route.value.view === view ? 'page' : undefined}>
          {TITLES[view]}
          {view === 'timeline' && changes > 0 ? <span class="count">{changes}</span> : null}
        </a>
      ))}
    </nav>
  );
}

function Notice() {
  const text =
    connection.value === 'lost'
      ? 'The control plane does not answer. What is shown is what was known last; the page connects again by itself.'
      : connection.value === 'full'
        ? 'Too many pages follow this mesh already; close one of them.'
        : connection.value === 'open' && isStale.value && !isPaused.value
          ? 'No report of traffic has come for a while, so figures are old; heddle status tells whether the mesh runs.'
          : '';
  return text === '' ? null : (
    <p class="notice" role="alert">
      {text}
    </p>
  );
}
