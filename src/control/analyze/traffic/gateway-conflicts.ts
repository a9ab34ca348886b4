// Gateways that give the same proxies the same port and hosts, or the same certificate.
import type { Gateway, GatewayServer, ServerTls } from '../../model/gateway.ts';
import { selects } from '../../model/labels.ts';
import type { PathPart } from '../../source/finding.ts';
import { textsIn, partsIn } from '../../translate/fields.ts';
import type { Analyzer } from '../analyzer.ts';
import { selectorText, type World } from '../world.ts';

export const gatewayConflicts: Analyzer = {
  name: 'gateway.ConflictingGatewayAnalyzer',
  description: "Checks a gateway's selector, port number and hosts",
  codes: ['IST0145'],
  run(world, report) {
    const byPort = serversByPort(world);
    const meet = memoOfMeetings(world);
    for (const [key, gateway] of world.gateways) {
      const object = world.objects.get(key);
      if (object === undefined) continue;
      for (const [at, server] of gateway.servers.entries()) {
        const others = (byPort.get(server.port.number) ?? []).filter((one) => one.gateway !== gateway);
        const inConflict = others.filter((one) => isSame(server, one.server) && meet(gateway, one.gateway));
        if (server.port.number === 0 || inConflict.length === 0) continue;
        const names = [...new Set(inConflict.map((one) => one.gateway.key))].sort().join(',');
        const hosts = textsIn(partsIn(object.spec, 'servers')[at] ?? {}, 'hosts').join(',');
        const path: PathPart[] = ['spec', 'servers', at, 'hosts'];
        report('IST0145', object, path, names, selectorText(gateway.selector), server.port.number, hosts);
      }
    }
  },
};

type Owned = { readonly gateway: Gateway; readonly server: GatewayServer };

function serversByPort(world: World): ReadonlyMap<number, readonly Owned[]> {
  const byPort = new Map<number, Owned[]>();
  for (const gateway of world.gateways.values()) {
    for (const server of gateway.servers) {
      const list = byPort.get(server.port.number);
      list === undefined ? byPort.set(server.port.number, [{ gateway, server }]) : list.push({ gateway, server });
    }
  }
  return byPort;
}

/** A host that both have, at the same address. */
function isSame(a: GatewayServer, b: GatewayServer): boolean {
  if (a.bind !== b.bind) return false;
  return a.hosts.some((one) => b.hosts.some(({ namespace, host }) => one.host === host && one.namespace === namespace));
}

/** Whether both select the same, or one selects more and there is a workload of both. */
function memoOfMeetings(world: World): (a: Gateway, b: Gateway) => boolean {
  const known = new Map<string, boolean>();
  return (a, b) => {
    const [left, right] = [selectorText(a.selector), selectorText(b.selector)];
    if (left === right) return true;
    if (!selects(a.selector, b.selector) && !selects(b.selector, a.selector)) return false;
    const id = `${left} ${right}`;
    let meets = known.get(id);
    if (meets === undefined) {
      meets = world.workloadsOf(a).some(({ labels }) => selects(b.selector, labels));
      known.set(id, meets);
    }
    return meets;
  };
}

export const gatewayCertificates: Analyzer = {
  name: 'gateway.CertificateAnalyzer',
  description: 'Checks a gateway certificate',
  codes: ['IST0138'],
  run(world, report) {
    const owners = new Map<string, Set<Gateway>>();
    for (const gateway of world.gateways.values()) {
      for (const { tls } of gateway.servers) {
        const certificate = certificateOf(tls);
        if (certificate !== '') owners.set(certificate, (owners.get(certificate) ?? new Set()).add(gateway));
      }
    }
    for (const [key, gateway] of world.gateways) {
      const object = world.objects.get(key);
      if (object === undefined) continue;
      for (const [at, { tls }] of gateway.servers.entries()) {
        for (const other of owners.get(certificateOf(tls)) ?? []) {
          if (other === gateway || !selects(gateway.selector, other.selector)) continue;
          const field = tls?.serverCertificate === '' ? 'credentialName' : 'serverCertificate';
          report('IST0138', object, ['spec', 'servers', at, 'tls', field], [gateway.key, other.key]);
        }
      }
    }
  },
};

/** What is the same for the same certificate; '' without one. */
function certificateOf(tls: ServerTls | null): string {
  if (tls === null) return '';
  const { credentials, serverCertificate, privateKey } = tls;
  if (credentials[0] !== undefined) return credentials[0];
  return serverCertificate === '' || privateKey === '' ? '' : `${serverCertificate} ${privateKey}`;
}
