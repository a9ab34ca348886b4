// Listeners of gRPC libraries as resources: one for each name by which a service can be dialled, and those of servers.
import type { Memo } from '../../base/collection.ts';
import type { EncodedResource } from '../../xds/server/resource.ts';
import { encodeResource } from '../generate/encode.ts';
import { clientListener, serverListener, takesMtls } from '../generate/listener/grpc-library.ts';
import { accessFilters } from '../generate/rbac/filters.ts';
import { type Labels, sortedLabels, workloadKey } from '../model/labels.ts';
import { parseClass, pickClass, type ProxyClass, type ProxyNode } from '../model/proxy.ts';
import { scopeKey } from '../model/scope.ts';
import type { Service } from '../model/service.ts';
import { sameResources } from './endpoint-resources-stage.ts';
import type { Inputs } from './inputs.ts';
import { LISTENER, SEPARATOR } from './listeners/parts.ts';
import type { ScopesStage } from './scopes-stage.ts';
import type { SecurityStage } from './security-stage.ts';
import { meshOf, type ServicesStage } from './services-stage.ts';

type List = Memo<readonly EncodedResource[]>;
export type GrpcListeners = { readonly clients: List; readonly servers: List };

const CLIENT_FIELDS = ['namespace', 'sidecar', 'dnsDomain'] as const;
type ClientFacts = Pick<ProxyClass, (typeof CLIENT_FIELDS)[number]>;
type Server = { readonly namespace: string; readonly labels: Labels; readonly addresses: readonly string[] };

/** Tables of a library's listeners. */
export function grpcListenerTables(
  stage: GrpcListeners,
  facts: ClientFacts,
  { namespace, labels, addresses }: Pick<ProxyNode, 'namespace' | 'labels' | 'addresses'>,
): readonly { readonly memo: List; readonly key: string }[] {
  const server: Server = { namespace, labels: sortedLabels(labels), addresses };
  return [
    { memo: stage.clients, key: pickClass(facts, ...CLIENT_FIELDS) },
    { memo: stage.servers, key: JSON.stringify(server) },
  ];
}

export function grpcListenerStage(
  inputs: Inputs,
  parts: { readonly services: ServicesStage; readonly scopes: ScopesStage; readonly security: SecurityStage },
): GrpcListeners {
  const { graph } = inputs;
  const { services } = parts.services;
  const pieces = graph.memo<readonly EncodedResource[]>(
    'listeners that libraries dial',
    (key, read) => {
      const [facts = '', serviceKey = ''] = key.split(SEPARATOR);
      const service = read.get(services, serviceKey);
      if (service === undefined || service.resolution === 'Alias') return [];
      const { namespace, dnsDomain } = parseClass<'namespace' | 'dnsDomain'>(facts);
      return namesOf(service, namespace, dnsDomain).flatMap((host) =>
        service.ports
          .filter(({ protocol }) => protocol !== 'UDP')
          .map(({ number }) => encodeResource(LISTENER, `${host}:${number}`, clientListener(service, host, number))),
      );
    },
    sameResources,
  );
  const clients = graph.memo<readonly EncodedResource[]>(
    'listeners of gRPC clients',
    (key, read) => {
      const facts = parseClass<keyof ClientFacts>(key);
      const piece = pickClass(facts, 'namespace', 'dnsDomain');
      const seen = read.get(parts.scopes.services, scopeKey(facts));
      return seen.flatMap((service) => read.get(pieces, `${piece}${SEPARATOR}${service}`));
    },
    sameResources,
  );
  const servers = graph.memo<readonly EncodedResource[]>(
    'listeners of gRPC servers',
    (key, read) => {
      const { namespace, labels, addresses } = JSON.parse(key) as Server;
      const instances = addresses.flatMap((address) => read.lookup(parts.services.instancesByAddress, address));
      const ports = [...new Set(instances.flatMap((one) => one.ports.map(({ targetPort }) => targetPort)))];
      const { mtls, policies, closedBy } = read.get(parts.security.security, workloadKey(namespace, labels));
      const { trustDomain, trustDomainAliases } = meshOf(inputs, read);
      // Libraries know no auditing, and would refuse the listener.
      const known = policies.filter(({ action, isDryRun }) => action !== 'AUDIT' && !isDryRun);
      const access = accessFilters({ policies: known, closedBy, trustDomains: [trustDomain, ...trustDomainAliases] });
      const isInMesh = labels['security.istio.io/tlsMode'] === 'istio';
      return ports
        .sort((a, b) => a - b)
        .flatMap((port) => {
          const isMtls = takesMtls(mtls.ports.get(port) ?? mtls.mode, isInMesh);
          return ['0.0.0.0', '::'].map((address) => {
            const listener = serverListener(address, port, isMtls, access.http);
            return encodeResource(LISTENER, listener.name ?? '', listener);
          });
        });
    },
    sameResources,
  );
  return { clients, servers };
}

/** Its full name, and the short ones that are looked up in the caller's own namespace. */
function namesOf({ hostname }: Service, namespace: string, dnsDomain: string): readonly string[] {
  const end = `.${dnsDomain}`;
  if (!dnsDomain.startsWith(`${namespace}.`) || !hostname.endsWith(end)) return [hostname];
  const name = hostname.slice(0, -end.length);
  return [hostname, name, `${name}.${namespace}`, `${name}.${namespace}.svc`];
}
