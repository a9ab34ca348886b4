// An object as it is shown to people: plain JSON and YAML of it, never with the content of a Secret.
import { dump } from 'js-yaml';
import type { ConfigObject } from './object.ts';

/** kubectl keeps the whole object there as it was applied, with all that a Secret holds. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const HIDDEN = '[secret]';

export type PlainObject = Readonly<Record<string, unknown>>;

export const apiVersionOf = ({ group, version }: Pick<ConfigObject, 'group' | 'version'>): string =>
  group === '' ? version : `${group}/${version}`;

/** As an API server would give it: apiVersion, kind, metadata, then what it says. */
export function plainObject(object: ConfigObject): PlainObject {
  const { kind, name, namespace, labels, annotations, creationMs, uid, spec, data, status } = object;
  const shown = kind === 'Secret' ? [] : Object.entries(annotations).filter(([key]) => key !== LAST_APPLIED);
  const metadata = {
    name,
    ...(namespace === '' ? {} : { namespace }),
    ...(uid === '' ? {} : { uid }),
    ...(creationMs === 0 ? {} : { creationTimestamp: new Date(creationMs).toISOString() }),
    ...whatIsThere({ labels, annotations: Object.fromEntries(shown) }),
  };
  const rest = whatIsThere({ spec, status });
  const own = kind === 'Secret' ? hidden(data) : data;
  const whole = { apiVersion: apiVersionOf(object), kind, metadata, ...own, ...rest };
  return JSON.parse(JSON.stringify(whole)) as PlainObject;
}

export function objectYaml(object: ConfigObject): string {
  return dump(plainObject(object), { noRefs: true, lineWidth: -1, seqNoIndent: true });
}

function whatIsThere(fields: Readonly<Record<string, object>>): Record<string, object> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => Object.keys(value).length > 0));
}

/** Values are sealed already; that a field which is new one day is not sealed must not show it. */
function hidden(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const own = Object.keys((data['data'] ?? {}) as object).map((key) => [key, HIDDEN]);
  const { type } = data;
  return { ...(type === undefined ? {} : { type }), ...(own.length === 0 ? {} : { data: Object.fromEntries(own) }) };
}
