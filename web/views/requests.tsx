// The newest requests of all proxies, each with all that was logged of it.
import { useState } from 'preact/hooks';
import type { NumberedRequest } from '../../src/control/telemetry/page-types.ts';
import { Commands } from '../parts/command.tsx';
import { clockTime, dayTime, duration, shellWord } from '../parts/format.ts';
import { meaningOf } from '../parts/flags.ts';
import { requests, traffic } from '../state/mesh.ts';
import { choose, route } from '../state/route.ts';
import { choicesOf, type Filter, hasFlags, isFailed, isMeant, isTcp, STATUS_CHOICES } from './request-filter.ts';

const MAX_ROWS = 200;

export function RequestsView() {
  const { query } = route.value;
  const at = (name: string): string => query.get(name) ?? '';
  const filter: Filter = { status: at('status'), workload: at('workload'), flags: at('flags'), text: at('text') };
  const meant = requests.value.filter((one) => isMeant(one, filter));
  const shown = meant.slice(-MAX_ROWS).reverse();
  const dropped = traffic.value?.droppedRequests ?? 0;
  return (
    <section>
      <div class="view-head">
        <h1>Requests</h1>
        <Commands texts={[`heddle logs -f -p ${shellWord(filter.workload || anyProxy())}`]} />
      </div>
      <Filters filter={filter} />
      <p class="quiet count-line" role="status">
        {`${meant.length} of the newest ${requests.value.length}`}
        {meant.length > MAX_ROWS ? `, ${MAX_ROWS} shown` : ''}
        {dropped > 0 ? `; ${dropped} came too fast and were left out` : ''}
      </p>
      {shown.length === 0 ? (
        <p class="empty">
          {requests.value.length === 0 ? 'No request has been reported yet.' : 'None fits the filter.'}
        </p>
      ) : (
        <div class="scroll">
          <table class="rows requests">
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col">From</th>
                <th scope="col">To</th>
                <th scope="col">Request</th>
                <th scope="col">Answer</th>
                <th scope="col">Flags</th>
                <th scope="col" class="number">
                  Took
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((one) => (
                <Row key={one.n} request={one} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** Logs are asked for by workload: all requests from outside pass a gateway. */
function anyProxy(): string {
  const rows = traffic.value?.workloads ?? [];
  return (rows.find(({ kind }) => kind === 'ingress') ?? rows[0])?.workload ?? 'ingress';
}

function Filters({ filter }: { filter: Filter }) {
  const { workloads, flags } = choicesOf(requests.value);
  const of = (names: readonly string[], chosen: string): readonly string[] =>
    chosen === '' || chosen === '*' || names.includes(chosen) ? names : [chosen, ...names];
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()}>
      <Choice name="status" label="Answer" value={filter.status} choices={STATUS_CHOICES} />
      <Choice
        name="workload"
        label="Workload"
        value={filter.workload}
        choices={[['', 'any workload'], ...of(workloads, filter.workload).map((one) => [one, one] as const)]}
      />
      <Choice
        name="flags"
        label="Flags"
        value={filter.flags}
        choices={[
          ['', 'with or without flags'],
          ['*', 'any flag'],
          ...of(flags, filter.flags).map((one) => [one, one] as const),
        ]}
      />
      <label>
        <span class="unseen">Text</span>
        <input
          type="search"
          placeholder="path, host, method, request id"
          value={filter.text}
          onInput={(event) => choose({ text: event.currentTarget.value })}
        />
      </label>
    </form>
  );
}

type ChoiceParts = {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly choices: readonly (readonly [string, string])[];
};

function Choice({ name, label, value, choices }: ChoiceParts) {
  return (
    <label>
      <span class="unseen">{label}</span>
      <select value={value} onChange={(event) => choose({ [name]: event.currentTarget.value })}>
        {choices.map(([one, text]) => (
          <option key={one} value={one}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function Row({ request }: { request: NumberedRequest }) {
  const [isOpen, setOpen] = useState(false);
  const { atMs, source, destination, method, path, flags, durationMs } = request;
  return (
    <>
      <tr class={[isOpen ? 'open' : '', isFailed(request) ? 'failed' : ''].join(' ')}>
        <td>
          <button
            type="button"
            class="plain more"
            aria-expanded={isOpen}
            aria-label={`Details of ${method} ${path}`}
            onClick={() => setOpen(!isOpen)}
          >
            {clockTime(atMs)}
          </button>
        </td>
        <td class="name">{source}</td>
        <td class="name">{destination}</td>
        <td class="request">
          <span class="method">{isTcp(request) ? 'TCP connection' : method}</span> {path}
        </td>
        <td>
          <StatusCode request={request} />
        </td>
        <td title={meaningOf(flags)}>
          {hasFlags(request) ? (
            <span class={isFailed(request) ? 'flags failed' : 'flags'}>{flags}</span>
          ) : (
            <span class="quiet">–</span>
          )}
        </td>
        <td class="number">{duration(durationMs)}</td>
      </tr>
      {isOpen ? <Fields request={request} /> : null}
    </>
  );
}

function StatusCode({ request }: { request: NumberedRequest }) {
  const { status, grpcStatus } = request;
  if (isTcp(request)) return <span class="quiet">–</span>;
  const text = status === 0 ? 'none' : String(status);
  return (
    <>
      <span class={`code c${String(status)[0] ?? '0'}`}>{text}</span>
      {grpcStatus === '' || grpcStatus === '-' ? null : <span class="quiet">{` gRPC ${grpcStatus}`}</span>}
    </>
  );
}

function Fields({ request }: { request: NumberedRequest }) {
  const meaning = meaningOf(request.flags);
  const fields: readonly (readonly [string, string])[] = [
    ['At', dayTime(request.atMs)],
    ['Logged by', `${request.by} (${request.direction})`],
    ['Host', request.authority],
    ['Path', request.path],
    ['Protocol', request.protocol],
    ['Response flags', hasFlags(request) ? `${request.flags}${meaning === '' ? '' : `: ${meaning}`}` : 'none'],
    ['Details', request.details],
    ['Request id', request.requestId],
    ['Cluster', request.upstreamCluster],
    ['Endpoint', request.upstreamHost],
    ['Peer', request.peer],
  ];
  return (
    <tr class="inner">
      <td colSpan={7}>
        <dl class="facts wide-facts">
          {fields.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value === '' || value === '-' ? '–' : value}</dd>
            </div>
          ))}
        </dl>
      </td>
    </tr>
  );
}
