// What pods do that no proxy can mend: they run as the proxy, or listen where nobody reaches them.
import type { PathPart } from '../../source/finding.ts';
import { type Json, numberIn, partIn, partsIn, textIn, textsIn } from '../../translate/fields.ts';
import type { Analyzer } from '../analyzer.ts';
import type { Workload, World } from '../world.ts';
import { isControlPlane } from './injection.ts';

const PROXY_UID = 1337;
const PROXIES: ReadonlySet<string> = new Set(['istio-proxy', 'istio-operator']);

export const applicationUid: Analyzer = {
  name: 'applicationUID.Analyzer',
  description: 'Checks invalid application UID',
  codes: ['IST0144'],
  run(world, report) {
    for (const { object, pod, podPath } of world.workloads) {
      if (pod === null || isControlPlane(object)) continue;
      const path = [...podPath, 'securityContext', 'runAsUser'];
      if (isProxyUid(pod)) report('IST0144', object, path);
      for (const [at, container] of partsIn(pod, 'containers').entries()) {
        if (PROXIES.has(textIn(container, 'name')) || !isProxyUid(container)) continue;
        report('IST0144', object, [...podPath, 'containers', at, 'securityContext', 'runAsUser']);
      }
    }
  },
};

function isProxyUid(part: Json): boolean {
  return partIn(part, 'securityContext')['runAsUser'] === PROXY_UID;
}

export const localListeners: Analyzer = {
  name: 'heddle.LocalListenerAnalyzer',
  description: 'Checks for ports of services that the arguments of a container bind to the loopback address',
  codes: ['IST0143'],
  run(world, report) {
    for (const workload of world.workloads) {
      const { object, pod, podPath } = workload;
      const bound = partsIn(pod ?? {}, 'containers').flatMap((container, at) =>
        boundPorts(container, [...podPath, 'containers', at]),
      );
      if (bound.length === 0) continue;
      const served = servedPorts(world, workload);
      for (const { ports, path } of bound) {
        for (const port of ports) if (served.has(port)) report('IST0143', object, path, port);
      }
    }
  },
};

type Bound = { readonly ports: readonly number[]; readonly path: readonly PathPart[] };

/** '--listen=127.0.0.1:8080', '--bind localhost', '-host ::1': names that say that something listens there. */
const FLAG = /^--?(?:bind|listen|host|addr|address)(?:-?(?:address|addr|host|on))?(?:=(.*))?$/i;
const LOOPBACK = /^(?:127(?:\.\d+){3}|localhost|\[::1\]|::1)(?::(\d+))?$/i;

function boundPorts(container: Json, path: readonly PathPart[]): Bound[] {
  const declared = partsIn(container, 'ports').map((port) => numberIn(port, 'containerPort'));
  const bound: Bound[] = [];
  for (const field of ['command', 'args'] as const) {
    const words = textsIn(container, field);
    for (const [at, word] of words.entries()) {
      const flag = FLAG.exec(word);
      if (flag === null) continue;
      const place = LOOPBACK.exec(flag[1] ?? words[at + 1] ?? '');
      if (place === null) continue;
      bound.push({ ports: place[1] === undefined ? declared : [Number(place[1])], path: [...path, field, at] });
    }
  }
  return bound;
}

function servedPorts(world: World, workload: Workload): ReadonlySet<number> {
  const named = new Map(
    partsIn(workload.pod ?? {}, 'containers')
      .flatMap((container) => partsIn(container, 'ports'))
      .map((port) => [textIn(port, 'name'), numberIn(port, 'containerPort')]),
  );
  const ports = world.servicesOf(workload).flatMap((service) => service.ports);
  return new Set(
    ports.map(({ number, targetPort }) =>
      typeof targetPort === 'string' ? (named.get(targetPort) ?? number) : targetPort || number,
    ),
  );
}
