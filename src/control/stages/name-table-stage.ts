// The name table of proxies that answer DNS, one for each class.
import type { Memo } from '../../base/collection.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import { registry } from '../../proto/registry.ts';
import { type EncodedResource, encodedResource } from '../../xds/server/resource.ts';
import { buildNameTable, type NamedService } from '../generate/name-table/name-table.ts';
import { parseClass, pickClass, type ProxyClass } from '../model/proxy.ts';
import { scopeKey } from '../model/scope.ts';
import type { Service } from '../model/service.ts';
import { sameResources } from './endpoint-resources-stage.ts';
import type { Inputs } from './inputs.ts';
import type { ScopesStage } from './scopes-stage.ts';
import type { ServicesStage } from './services-stage.ts';

const FIELDS = ['role', 'namespace', 'sidecar', 'families', 'network', 'cluster', 'dnsCapture'] as const;
type Facts = Pick<ProxyClass, (typeof FIELDS)[number]>;
const NAME_TABLE = 'istio.networking.nds.v1.NameTable';

/** One resource without a name; key: `nameTableKey`. */
export type NameTableStage = { readonly tables: Memo<readonly EncodedResource[]> };

export function nameTableKey(facts: Facts): string {
  return pickClass(facts, ...FIELDS);
}

export function nameTableStage(
  inputs: Inputs,
  parts: { readonly services: ServicesStage; readonly scopes: ScopesStage },
): NameTableStage {
  const { graph } = inputs;
  const { services, endpoints } = parts.services;
  // What names depend on: an endpoint of a service with an address of its own changes nothing.
  const named = graph.map<Service, NamedService>('services with names', services, (key, service, read) => {
    if (service.resolution === 'Alias') return undefined;
    const isHeadless = service.addresses.length === 0 && service.resolution === 'Passthrough';
    return { service, endpoints: isHeadless ? (read.get(endpoints, key) ?? []) : [] };
  });
  return {
    tables: graph.memo(
      'name tables',
      (key, read) => {
        const facts = parseClass<keyof Facts>(key);
        // A gateway answers no DNS.
        const visible = facts.role === 'sidecar' ? read.get(parts.scopes.services, scopeKey(facts)) : [];
        const found = visible.map((service) => read.get(named, service)).filter((one) => one !== undefined);
        const table = buildNameTable(found, { ...facts, usesAutoAddresses: facts.dnsCapture });
        const body = encodeBinary(registry.message(NAME_TABLE), { ...table } as never);
        return [encodedResource(`type.googleapis.com/${NAME_TABLE}`, '', body)];
      },
      sameResources,
    ),
  };
}
