// Each workload with its golden signals, and the processes it is made of.
import { useState } from 'preact/hooks';
import type { ProcessRow, WorkloadRow } from '../../src/control/telemetry/page-types.ts';
import { KIND_NAMES } from '../graph/node.tsx';
import { Badge, Success, toneOfState } from '../parts/badges.tsx';
import { Command, Commands } from '../parts/command.tsx';
import { cores, duration, megabytes, rate, shellWord } from '../parts/format.ts';
import { Sparkline } from '../parts/sparkline.tsx';
import { traffic } from '../state/mesh.ts';
import { addressOf } from '../state/route.ts';

export function WorkloadsView() {
  const rows = traffic.value?.workloads ?? [];
  return (
    <section>
      <div class="view-head">
        <h1>Workloads</h1>
        <Commands texts={['heddle status']} />
      </div>
      {rows.length === 0 ? (
        <p class="empty">No workload has been reported yet.</p>
      ) : (
        <div class="scroll">
          <table class="rows cards">
            <thead>
              <tr>
                <th scope="col">Workload</th>
                <th scope="col">State</th>
                <th scope="col">Requests</th>
                <th scope="col">Success</th>
                <th scope="col" class="number">
                  p50
                </th>
                <th scope="col" class="number">
                  p99
                </th>
                <th scope="col" class="number">
                  CPU
                </th>
                <th scope="col" class="number">
                  Memory
                </th>
                <th scope="col" class="number">
                  Restarts
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <Row key={row.id} row={row} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Row({ row }: { row: WorkloadRow }) {
  const [isOpen, setOpen] = useState(false);
  const { processes, inbound } = row;
  const worst = processes.find(({ state }) => state !== 'ready') ?? processes[0];
  const ready = processes.filter((one) => one.state === 'ready').length;
  const restarts = processes.reduce((sum, one) => sum + one.restarts, 0);
  return (
    <>
      <tr class={isOpen ? 'open' : ''}>
        <td data-label="Workload">
          <button type="button" class="plain more" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            <strong>{row.workload}</strong>
          </button>
          <div class="quiet">
            {[row.namespace, row.version, row.kind === 'workload' ? '' : KIND_NAMES[row.kind]]
              .filter(Boolean)
              .join(' · ')}
          </div>
        </td>
        <td data-label="State">
          <Badge tone={toneOfState(worst?.state ?? null)} title={worst?.reason ?? ''}>
            {worst?.state ?? 'unknown'}
          </Badge>
          {processes.length > 1 ? <span class="quiet">{` ${ready} of ${processes.length}`}</span> : null}
        </td>
        <td data-label="Requests">
          <span class="with-line">
            <span class="number">{rate(inbound.perSecond)}</span>
            <Sparkline points={row.series} label={`Requests to ${row.workload}`} />
          </span>
        </td>
        <td data-label="Success">
          <Success errorShare={inbound.errorShare} />
        </td>
        <td data-label="p50" class="number">
          {duration(inbound.p50Ms)}
        </td>
        <td data-label="p99" class="number">
          {duration(inbound.p99Ms)}
        </td>
        <td data-label="CPU" class="number" title="of the workload and its proxy, of one core">
          {cores(sumOf(processes, (one) => (one.cores === null ? null : one.cores + (one.proxyCores ?? 0))))}
        </td>
        <td data-label="Memory" class="number" title="of the workload, and of its proxy">
          {megabytes(sumOf(processes, (one) => one.rssMb) ?? 0)}
          <span class="quiet">{` + ${megabytes(sumOf(processes, (one) => one.proxyRssMb) ?? 0)}`}</span>
        </td>
        <td data-label="Restarts" class="number">
          <span class={restarts > 0 ? 'figure odd' : 'quiet'}>{restarts}</span>
        </td>
      </tr>
      {isOpen ? <Processes row={row} /> : null}
    </>
  );
}

function Processes({ row }: { row: WorkloadRow }) {
  const name = shellWord(row.processes[0]?.name ?? row.workload);
  return (
    <tr class="inner">
      <td colSpan={9}>
        <ul class="processes">
          {row.processes.map((one) => (
            <li key={one.name}>
              <strong>{one.name}</strong>
              <Badge tone={toneOfState(one.state)}>{one.state}</Badge>
              {one.reason === '' ? null : <span class="figure bad">{one.reason}</span>}
              <span>{`workload ${cores(one.cores)}, ${megabytes(one.rssMb)}`}</span>
              <span>{proxyWords(one)}</span>
              <span>{`${one.restarts} restarts`}</span>
            </li>
          ))}
        </ul>
        <div class="commands">
          <Command text={`heddle logs ${name}`} />
          <Command text={`heddle config routes ${name}`} />
          <Command text={`heddle certificate ${name}`} />
          <a href={addressOf('requests', { workload: row.workload })}>Its recent requests</a>
        </div>
      </td>
    </tr>
  );
}

function proxyWords({ proxy, isProxyReady, proxyCores, proxyRssMb }: ProcessRow): string {
  if (proxy === 'none') return 'no proxy';
  const name = proxy === 'envoy' ? 'Envoy' : 'proxy';
  return `${name} ${isProxyReady ? 'ready' : 'not ready'}, ${cores(proxyCores)}, ${megabytes(proxyRssMb)}`;
}

/** Null where one of them is not known. */
function sumOf(rows: readonly ProcessRow[], figure: (row: ProcessRow) => number | null): number | null {
  return rows.map(figure).reduce((sum, one) => (sum === null || one === null ? null : sum + one), 0);
}
