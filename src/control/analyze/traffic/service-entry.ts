// ServiceEntries: ports that need an address, and entries that disagree on a protocol.
import type { PathPart } from '../../source/finding.ts';
import type { ConfigObject } from '../../source/object.ts';
import { partIn, partsIn, textIn } from '../../translate/fields.ts';
import { translateServiceEntry, wantsAutoAddress } from '../../translate/istio/service-entry.ts';
import type { Analyzer } from '../analyzer.ts';
import { fullName, type World } from '../world.ts';

export const entryAddresses: Analyzer = {
  name: 'serviceentry.Analyzer',
  description: 'Checks the validity of ServiceEntry',
  codes: ['IST0134'],
  run(world, report) {
    if (isAutoAllocated(world)) return;
    for (const object of world.kind('ServiceEntry')) {
      const { spec } = object;
      if (spec['addresses'] !== undefined || isGivenAddress(world, object)) continue;
      for (const [at, port] of partsIn(spec, 'ports').entries()) {
        const protocol = textIn(port, 'protocol');
        if (protocol !== '' && protocol.toUpperCase() !== 'TCP') continue;
        const path: PathPart[] = ['spec', 'ports', at];
        report('IST0134', object, protocol === '' ? path : [...path, 'protocol']);
      }
    }
  },
};

/** Proxies that answer DNS make addresses up. */
function isAutoAllocated({ mesh }: World): boolean {
  const metadata = partIn(partIn(mesh.raw, 'defaultConfig'), 'proxyMetadata');
  return metadata['ISTIO_META_DNS_CAPTURE'] === 'true' && metadata['ISTIO_META_DNS_AUTO_ALLOCATE'] === 'true';
}

function isGivenAddress(world: World, object: ConfigObject): boolean {
  if (partsIn(object.status, 'addresses').length > 0) return true;
  if (world.settings.isInjected) return false;
  return translateServiceEntry(object, world.mesh).some((service) => wantsAutoAddress(object, service));
}

type Said = { readonly object: ConfigObject; readonly protocol: string; readonly path: readonly PathPart[] };

export const entryProtocols: Analyzer = {
  name: 'serviceentry.ConflictingServiceEntryProtocolAnalyzer',
  description: 'Checks if multiple ServiceEntries define the same host and port with different protocols',
  codes: ['IST0177'],
  run(world, report) {
    const said = saidOf(world);
    const told = new Set<ConfigObject>();
    for (const [key, own] of said) {
      const [scope = '', host = '', port = ''] = key.split(' ');
      const all = scope === '*' ? own : [...own, ...(said.get(`* ${host} ${port}`) ?? [])];
      const protocols = [...new Set(all.map(({ protocol }) => protocol))].sort();
      if (protocols.length < 2) continue;
      const names = [...new Set(all.map(({ object }) => fullName(object)))].sort();
      for (const { object, path } of all) {
        if (told.has(object)) continue;
        told.add(object);
        report('IST0177', object, path, names.join(', '), host, Number(port), protocols.join(', '));
      }
    }
  },
};

/** 'SCOPE HOST PORT' → who says which protocol. */
function saidOf(world: World): ReadonlyMap<string, readonly Said[]> {
  const said = new Map<string, Said[]>();
  for (const object of world.kind('ServiceEntry')) {
    for (const { hostname, exportTo } of translateServiceEntry(object, world.mesh)) {
      for (const [at, port] of partsIn(object.spec, 'ports').entries()) {
        const path = ['spec', 'ports', at, 'protocol'];
        const one = { object, protocol: textIn(port, 'protocol').toUpperCase(), path };
        for (const scope of exportTo.has('*') ? ['*'] : exportTo) {
          const key = `${scope} ${hostname} ${String(port['number'])}`;
          said.set(key, [...(said.get(key) ?? []), one]);
        }
      }
    }
  }
  return said;
}
