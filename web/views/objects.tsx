// The objects of the mesh: where they stand, how far they came, and what is wrong with them.
import { useEffect, useState } from 'preact/hooks';
import type { ListedObject, ToldFinding, WholeObject } from '../../src/control/api/object-types.ts';
import { Badge, Receipt } from '../parts/badges.tsx';
import { Command, Commands } from '../parts/command.tsx';
import { shellWord, shortPlace } from '../parts/format.ts';
import { askJson } from '../state/api.ts';
import { findings, objects } from '../state/mesh.ts';
import { choose, route } from '../state/route.ts';

/** Made of workloads, by the hundred: shown when they are asked for. */
const OF_WORKLOADS: ReadonlySet<string> = new Set([
  'Pod',
  'EndpointSlice',
  'Service',
  'ServiceAccount',
  'Namespace',
  'Node',
]);

export function ObjectsView() {
  const { query } = route.value;
  const kind = query.get('kind') ?? '';
  const text = (query.get('text') ?? '').toLowerCase();
  const all = objects.value;
  const kinds = [...new Set((all ?? []).map((one) => one.kind))].sort();
  const shown = (all ?? []).filter(
    (one) =>
      (kind === '' ? !OF_WORKLOADS.has(one.kind) : kind === '*' || one.kind === kind) &&
      `${one.key} ${one.file}`.toLowerCase().includes(text),
  );
  const loose = findings.value.filter(({ key }) => key === '' || !(all ?? []).some((one) => one.key === key));
  return (
    <section>
      <div class="view-head">
        <h1>Objects</h1>
        <Commands texts={[commandOf(kind), 'heddle status --all']} />
      </div>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          <span class="unseen">Kind</span>
          <select value={kind} onChange={(event) => choose({ kind: event.currentTarget.value })}>
            <option value="">configuration</option>
            <option value="*">everything</option>
            {kinds.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span class="unseen">Text</span>
          <input
            type="search"
            placeholder="name, namespace, file"
            value={query.get('text') ?? ''}
            onInput={(event) => choose({ text: event.currentTarget.value })}
          />
        </label>
      </form>
      <Findings findings={loose} />
      <List objects={shown} isKnown={all !== null} />
    </section>
  );
}

function commandOf(kind: string): string {
  if (kind === '' || kind === '*') return 'heddle get all';
  const lower = kind.toLowerCase();
  const plural = /(?:s|x|ch)$/.test(lower)
    ? `${lower}es`
    : lower.endsWith('y')
      ? `${lower.slice(0, -1)}ies`
      : `${lower}s`;
  return `heddle get ${shellWord(plural)}`;
}

function List({ objects: shown, isKnown }: { objects: readonly ListedObject[]; isKnown: boolean }) {
  if (shown.length === 0) {
    return <p class="empty">{isKnown ? 'No object fits.' : 'Objects are being asked for.'}</p>;
  }
  return (
    <div class="scroll">
      <table class="rows cards objects">
        <thead>
          <tr>
            <th scope="col">Object</th>
            <th scope="col">Receipt</th>
            <th scope="col">Findings</th>
            <th scope="col">File</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <Row key={one.key} object={one} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ object }: { object: ListedObject }) {
  const [isOpen, setOpen] = useState(false);
  const { kind, namespace, name, file, line, status } = object;
  const told = status?.findings ?? [];
  const errors = told.filter(({ severity }) => severity === 'error').length;
  const isInEffect = status === null || status.effect === 'in effect';
  return (
    <>
      <tr class={isOpen ? 'open' : ''} data-object={object.key}>
        <td data-label="Object">
          <button type="button" class="plain more" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            <strong>{name}</strong>
          </button>
          <div class="quiet">
            {kind}
            {namespace === '' ? '' : ` in ${namespace}`}
          </div>
        </td>
        <td data-label="Receipt">
          {status === null ? <span class="quiet">not known</span> : <Receipt receipt={status} />}
          {isInEffect ? null : <div class="figure odd">{status.effect}</div>}
        </td>
        <td data-label="Findings">
          {told.length === 0 ? (
            <span class="quiet">none</span>
          ) : (
            <Badge
              tone={errors > 0 ? 'bad' : 'odd'}
            >{`${told.length} ${told.length === 1 ? 'finding' : 'findings'}`}</Badge>
          )}
        </td>
        <td data-label="File" class="file" title={`${file}:${line}`}>
          {file === '' ? '–' : shortPlace(file, line)}
        </td>
      </tr>
      {isOpen ? <Whole object={object} /> : null}
    </>
  );
}

function Whole({ object }: { object: ListedObject }) {
  const [yaml, setYaml] = useState('…');
  const { key, kind, namespace, name, status } = object;
  const generation = status?.generation;
  // Another generation says something else.
  useEffect(() => {
    let isGone = false;
    askJson<WholeObject>(`/api/v1/object?key=${encodeURIComponent(key)}`)
      .then((whole) => isGone || setYaml(whole.yaml))
      .catch((error: Error) => isGone || setYaml(error.message));
    return () => {
      isGone = true;
    };
  }, [key, generation]);
  const place = namespace === '' ? '' : ` -n ${shellWord(namespace)}`;
  return (
    <tr class="inner">
      <td colSpan={4}>
        <Findings findings={status?.findings ?? []} />
        {(status?.refusals ?? []).map(({ proxy, resource, field, message }) => (
          <p key={`${proxy} ${resource}`} class="finding error">
            {`Refused by ${proxy}: ${resource}${field === '' ? '' : ` ${field}`}: ${message}`}
          </p>
        ))}
        {status !== null && status.live < status.concerned && status.waiting.length > 0 ? (
          <p class="quiet">{`Waiting for ${status.waiting.join(', ')}`}</p>
        ) : null}
        <div class="commands">
          <Command text={`heddle get ${shellWord(kind.toLowerCase())} ${shellWord(name)}${place} -o yaml`} />
        </div>
        <pre class="yaml">{yaml}</pre>
      </td>
    </tr>
  );
}

function Findings({ findings: told }: { findings: readonly ToldFinding[] }) {
  return (
    <>
      {told.map(({ severity, file, line, column, path, message, remedy }) => (
        <p key={`${file}:${line}:${column}:${message}`} class={`finding ${severity}`}>
          <span class="file" title={file}>{`${shortPlace(file, line)}:${column}`}</span>{' '}
          {path === '' ? '' : `${path}: `}
          {message}
          {remedy === '' ? '' : ` → ${remedy}`}
        </p>
      ))}
    </>
  );
}
