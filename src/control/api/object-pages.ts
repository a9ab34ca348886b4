// The objects themselves: what there is, where it stands, how far it came, and on demand all that it says.
import type { HttpReply, HttpRequest } from '../../net/http-server.ts';
import { type ConfigObject, objectKey } from '../source/object.ts';
import { apiVersionOf, objectYaml, plainObject } from '../source/object-text.ts';
import type { StatusReport } from '../status.ts';
import { type ApiContext, json, type Page } from './context.ts';
import type { ListedObject } from './object-types.ts';

export const OBJECT_PAGES: ReadonlyMap<string, Page> = new Map<string, Page>([
  ['/api/v1/objects', objectsPage],
  ['/api/v1/object', objectPage],
]);

/**
 * `?kind=&group=&namespace=&name=&full=1`: kinds in any case, several with commas; what is not given is not asked for.
 * An empty `namespace=` means objects of the cluster.
 */
async function objectsPage({ query }: HttpRequest, { source, status }: ApiContext): Promise<HttpReply> {
  const kinds = (query.get('kind') ?? '')
    .toLowerCase()
    .split(',')
    .filter((kind) => kind !== '');
  const [group, namespace, name] = ['group', 'namespace', 'name'].map((field) => query.get(field));
  const isMeant = (object: ConfigObject): boolean =>
    (kinds.length === 0 || kinds.includes(object.kind.toLowerCase())) &&
    (group === null || object.group === group) &&
    (namespace === null || object.namespace === namespace) &&
    (name === null || object.name === name);
  const meant = [...source.objects().values()].filter(isMeant);
  const [only] = meant;
  // Of all at once it costs hardly more than of one.
  if (meant.length > 1) await status.tryAll();
  const reports =
    only !== undefined && meant.length === 1 ? [status.of(objectKey(only))] : meant.length === 0 ? [] : status.all();
  const byKey = new Map(reports.flatMap((report) => (report === null ? [] : [[report.key, report]])));
  const isFull = query.get('full') === '1';
  const objects = meant.map((object): ListedObject => {
    const key = objectKey(object);
    return listed(object, byKey.get(key) ?? null, source.positionOf(key), isFull);
  });
  return json({ objects });
}

/** `?key=KIND/NAMESPACE/NAME`: one, as JSON and as YAML. */
function objectPage({ query }: HttpRequest, { source, status }: ApiContext): HttpReply {
  const key = query.get('key') ?? '';
  const object = source.objects().get(key);
  if (object === undefined) return json({ error: `there is no object ${key}; /api/v1/objects lists them` }, 404);
  return json({ ...listed(object, status.of(key), source.positionOf(key), true), yaml: objectYaml(object) });
}

function listed(
  object: ConfigObject,
  status: StatusReport | null,
  place: ReturnType<ApiContext['source']['positionOf']>,
  isFull: boolean,
): ListedObject {
  const { kind, namespace, name } = object;
  return {
    ...{ key: objectKey(object), kind, apiVersion: apiVersionOf(object), namespace, name },
    ...{ file: place?.file ?? '', line: place?.line ?? 0 },
    ...(isFull ? { object: plainObject(object) } : {}),
    status,
  };
}
