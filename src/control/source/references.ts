// What can be said of references from the objects alone: nothing is refused for them, because order does not matter.
import type { PathPart, Problem } from './finding.ts';
import { KnownHosts, KnownObjects } from './known.ts';
import type { ConfigObject } from './object.ts';
import { isMap, type Json } from './read-documents.ts';

export type Objects = ReadonlyMap<string, ConfigObject>;
type Say = (path: readonly PathPart[], message: string, remedy: string) => void;
type Check = (object: ConfigObject, known: Known, say: Say) => void;
type Known = { readonly objects: KnownObjects; readonly hosts: KnownHosts };

/** Warnings by the key of the object that refers. */
export function checkReferences(objects: Objects, clusterDomain: string): ReadonlyMap<string, readonly Problem[]> {
  const known: Known = { objects: new KnownObjects(objects), hosts: new KnownHosts(objects, clusterDomain) };
  const problems = new Map<string, Problem[]>();
  for (const [key, object] of objects) {
    const check = CHECKS.get(object.kind);
    if (check === undefined) continue;
    check(object, known, (path, message, remedy) => {
      const list = problems.get(key) ?? [];
      list.push({ severity: 'warning', path, message, remedy });
      problems.set(key, list);
    });
  }
  return problems;
}

/** The items of a list with their places; nothing where there is no list. */
function* each(of: Json, path: readonly PathPart[], ...fields: readonly string[]): Generator<[Json, PathPart[]]> {
  for (const field of fields) {
    const list = of[field];
    if (!Array.isArray(list)) continue;
    for (const [at, item] of list.entries()) if (isMap(item)) yield [item, [...path, field, at]];
  }
}

function textOf(of: Json, field: string): string {
  const value = of[field];
  return typeof value === 'string' ? value : '';
}

function checkVirtualService(object: ConfigObject, known: Known, say: Say): void {
  const { spec, namespace } = object;
  const gateways = Array.isArray(spec['gateways']) ? (spec['gateways'] as unknown[]) : [];
  gateways.forEach((gateway, at) => {
    if (typeof gateway !== 'string' || gateway === 'mesh') return;
    const [place, name] = gateway.includes('/') ? (gateway.split('/', 2) as [string, string]) : [namespace, gateway];
    if (known.objects.has('Gateway', place === '.' ? namespace : place, name)) return;
    const message = `there is no Gateway ${place}/${name}`;
    say(['spec', 'gateways', at], message, `create it, or name one of ${known.objects.namesOf('Gateway')}`);
  });
  for (const [rule, path] of each(spec, ['spec'], 'http', 'tls', 'tcp')) {
    for (const [route, place] of each(rule, path, 'route', 'mirrors')) {
      checkDestination(route['destination'], [...place, 'destination'], namespace, known, say);
    }
    checkDestination(rule['mirror'], [...path, 'mirror'], namespace, known, say);
  }
}

function checkDestination(value: unknown, path: PathPart[], namespace: string, { hosts }: Known, say: Say): void {
  if (!isMap(value) || hosts.isEmpty) return;
  const host = textOf(value, 'host');
  const full = hosts.fullName(host, namespace);
  const ports = hosts.portsOf(full);
  if (ports === null) {
    const meant = hosts.nearest(host, namespace);
    const remedy = meant === null ? 'create a Service or a ServiceEntry of that name' : `write ${meant}`;
    say([...path, 'host'], `nothing is known as ${full}: requests to it are answered with 503`, remedy);
    return;
  }
  const port = isMap(value['port']) ? value['port']['number'] : undefined;
  if (typeof port === 'number' && !ports.has(port)) {
    say(
      [...path, 'port', 'number'],
      `${full} has no port ${port}`,
      `use ${[...ports].sort((a, b) => a - b).join(' or ')}`,
    );
  }
  const subset = textOf(value, 'subset');
  if (subset === '' || hosts.subsetsOf(full).has(subset)) return;
  const defined = [...hosts.subsetsOf(full)].join(', ');
  const remedy = `define it in a DestinationRule of ${full}${defined === '' ? '' : `, or use one of ${defined}`}`;
  say([...path, 'subset'], `no DestinationRule defines subset ${subset} of ${full}`, remedy);
}

function checkDestinationRule({ spec, namespace }: ConfigObject, { hosts }: Known, say: Say): void {
  const host = textOf(spec, 'host');
  if (hosts.isEmpty || host === '' || host.includes('*')) return;
  const full = hosts.fullName(host, namespace);
  if (hosts.portsOf(full) !== null) return;
  const meant = hosts.nearest(host, namespace);
  say(['spec', 'host'], `nothing is known as ${full}`, meant === null ? 'correct the name' : `write ${meant}`);
}

function checkRoute(object: ConfigObject, known: Known, say: Say): void {
  const { spec, namespace, kind } = object;
  for (const [ref, path] of each(spec, ['spec'], 'parentRefs')) checkParent(ref, path, namespace, known, say);
  for (const [rule, path] of each(spec, ['spec'], 'rules')) {
    for (const [ref, place] of each(rule, path, 'backendRefs')) {
      checkBackend(ref, place, namespace, kind, known, say);
      for (const [filter, at] of each(ref, place, 'filters')) checkFilter(filter, at, namespace, kind, known, say);
    }
    for (const [filter, place] of each(rule, path, 'filters')) checkFilter(filter, place, namespace, kind, known, say);
  }
}

function checkFilter(filter: Json, path: PathPart[], namespace: string, kind: string, known: Known, say: Say): void {
  const mirror = filter['requestMirror'];
  if (!isMap(mirror) || !isMap(mirror['backendRef'])) return;
  checkBackend(mirror['backendRef'], [...path, 'requestMirror', 'backendRef'], namespace, kind, known, say);
}

function checkParent(ref: Json, path: PathPart[], namespace: string, known: Known, say: Say): void {
  const kind = textOf(ref, 'kind') || 'Gateway';
  const place = textOf(ref, 'namespace') || namespace;
  const name = textOf(ref, 'name');
  if (kind !== 'Gateway' && kind !== 'Service' && kind !== 'ListenerSet') return;
  const parent = known.objects.get(kind === 'Gateway' ? GATEWAY : kind, place, name);
  if (parent === undefined) {
    const remedy = `create it, or name one of ${known.objects.namesOf(kind === 'Gateway' ? GATEWAY : kind)}`;
    say([...path, 'name'], `there is no ${kind} ${place}/${name}`, remedy);
    return;
  }
  const section = textOf(ref, 'sectionName');
  if (section === '' || kind === 'Service') return;
  const names = [...each(parent.spec, [], 'listeners')].map(([listener]) => textOf(listener, 'name'));
  if (names.includes(section)) return;
  say([...path, 'sectionName'], `${kind} ${place}/${name} has no listener ${section}`, `use ${names.join(' or ')}`);
}

const GATEWAY = 'gateway.networking.k8s.io:Gateway';

function checkBackend(ref: Json, path: PathPart[], from: string, kind: string, known: Known, say: Say): void {
  if ((textOf(ref, 'kind') || 'Service') !== 'Service' || textOf(ref, 'group') !== '') return;
  const namespace = textOf(ref, 'namespace') || from;
  const name = textOf(ref, 'name');
  const service = known.objects.get('Service', namespace, name);
  if (service === undefined) {
    const message = `there is no Service ${namespace}/${name}: its share of requests is answered with 500`;
    say([...path, 'name'], message, `create it, or name one of ${known.objects.namesOf('Service', namespace)}`);
    return;
  }
  const ports = [...each(service.spec, [], 'ports')].map(([port]) => port['port']);
  if (typeof ref['port'] === 'number' && !ports.includes(ref['port'])) {
    say([...path, 'port'], `Service ${namespace}/${name} has no port ${ref['port']}`, `use ${ports.join(' or ')}`);
  }
  checkGrant(path, { kind, from }, { kind: 'Service', namespace, name }, known, say);
}

type Target = { readonly kind: string; readonly namespace: string; readonly name: string };

/** What is in another namespace must be granted there. */
function checkGrant(
  path: PathPart[],
  by: { readonly kind: string; readonly from: string },
  target: Target,
  { objects }: Known,
  say: Say,
): void {
  if (target.namespace === by.from || objects.isGranted(by.kind, by.from, target.kind, target.namespace, target.name))
    return;
  const message = `no ReferenceGrant of namespace ${target.namespace} allows ${by.kind} of ${by.from} to use it`;
  const remedy = `create one in ${target.namespace}, from ${by.kind} of ${by.from} to ${target.kind} ${target.name}`;
  say([...path, 'namespace'], message, remedy);
}

function checkGateway(object: ConfigObject, known: Known, say: Say): void {
  const { group, namespace, spec } = object;
  if (group === 'networking.istio.io') {
    for (const [server, path] of each(spec, ['spec'], 'servers')) {
      const credential = isMap(server['tls']) ? textOf(server['tls'], 'credentialName') : '';
      if (credential === '' || credential.includes('://') || known.objects.hasAnywhere('Secret', credential)) continue;
      const remedy = "create it in the namespace of the gateway's pods";
      say([...path, 'tls', 'credentialName'], `there is no Secret ${credential}: the listener does not start`, remedy);
    }
    return;
  }
  for (const [listener, path] of each(spec, ['spec'], 'listeners')) {
    if (!isMap(listener['tls'])) continue;
    for (const [ref, place] of each(listener['tls'], [...path, 'tls'], 'certificateRefs')) {
      if ((textOf(ref, 'kind') || 'Secret') !== 'Secret') continue;
      const target = { kind: 'Secret', namespace: textOf(ref, 'namespace') || namespace, name: textOf(ref, 'name') };
      if (known.objects.has('Secret', target.namespace, target.name)) {
        checkGrant(place, { kind: object.kind, from: namespace }, target, known, say);
      } else {
        const message = `there is no Secret ${target.namespace}/${target.name}: the listener does not start`;
        say([...place, 'name'], message, 'create it, of type kubernetes.io/tls');
      }
    }
  }
}

function checkListenerSet(object: ConfigObject, known: Known, say: Say): void {
  const ref = object.spec['parentRef'];
  if (isMap(ref)) checkParent(ref, ['spec', 'parentRef'], object.namespace, known, say);
  checkGateway(object, known, say);
}

const TARGETS: ReadonlySet<string> = new Set(['Service', 'Gateway', 'ServiceEntry', 'GatewayClass']);

/** Policies that name what they are for. */
function checkTargets(object: ConfigObject, known: Known, say: Say): void {
  const { spec, namespace } = object;
  const refs = [...each(spec, ['spec'], 'targetRefs')];
  if (isMap(spec['targetRef'])) refs.push([spec['targetRef'], ['spec', 'targetRef']]);
  for (const [ref, path] of refs) {
    const kind = textOf(ref, 'kind');
    const name = textOf(ref, 'name');
    if (!TARGETS.has(kind)) continue;
    const place = kind === 'GatewayClass' ? '' : namespace;
    if (known.objects.has(kind === 'Gateway' ? GATEWAY : kind, place, name)) continue;
    // Istio makes its own classes.
    if (kind === 'GatewayClass' && name.startsWith('istio')) continue;
    const where = place === '' ? name : `${place}/${name}`;
    say([...path, 'name'], `there is no ${kind} ${where}: the policy is for nothing`, 'create it, or correct the name');
  }
}

function checkBackendTls(object: ConfigObject, known: Known, say: Say): void {
  checkTargets(object, known, say);
  const { validation } = object.spec;
  if (!isMap(validation)) return;
  for (const [ref, path] of each(validation, ['spec', 'validation'], 'caCertificateRefs')) {
    const kind = textOf(ref, 'kind');
    const name = textOf(ref, 'name');
    if ((kind !== 'ConfigMap' && kind !== 'Secret') || known.objects.has(kind, object.namespace, name)) continue;
    const message = `there is no ${kind} ${object.namespace}/${name}: backends cannot be verified`;
    say([...path, 'name'], message, 'create it, with the certificates under ca.crt');
  }
}

const CHECKS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['VirtualService', checkVirtualService],
  ['DestinationRule', checkDestinationRule],
  ['Gateway', checkGateway],
  ['ListenerSet', checkListenerSet],
  ['BackendTLSPolicy', checkBackendTls],
  ...['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute', 'UDPRoute'].map((kind) => [kind, checkRoute] as const),
  ...['AuthorizationPolicy', 'RequestAuthentication', 'Telemetry', 'WasmPlugin', 'TrafficExtension'].map(
    (kind) => [kind, checkTargets] as const,
  ),
]);
