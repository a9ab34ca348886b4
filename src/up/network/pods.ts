// Networks of workloads: a namespace each, on one bridge, with its connections redirected to the proxy as in a pod.
import { spawnSync } from 'node:child_process';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { inNamespace, inNewNamespace } from '../../net/namespace.ts';
import { nftText } from '../../intercept/plan/nft-text.ts';
import { planCapture } from '../../intercept/plan/planner.ts';
import { readOptions } from '../../intercept/plan/options.ts';
import { BRIDGE_ADDRESS } from '../place/placement.ts';

/** By which a proxy's own connections are told: the bootstrap of all proxies here sets it. */
export const PROXY_MARK = 1337;
/** Nobody answers there: questions are caught on the way. */
const NAME_SERVER = '10.96.0.10';

export class PodNetworks {
  readonly #pods = new Map<string, number>();
  #count = 0;

  /** The bridge, in the network of this process. Throws what went wrong. */
  constructor(extraAddresses: readonly string[]) {
    run('ip', [
      'link set lo up',
      'link add heddle0 type bridge',
      `address add ${BRIDGE_ADDRESS}/16 dev heddle0`,
      ...extraAddresses.map((address) => `address add ${address}/16 dev heddle0`),
      'link set heddle0 up',
    ]);
  }

  /** The network of one pod; its descriptor, for starting programs there. */
  add(name: string, address: string, isCaptured: boolean): number {
    let made = -1;
    const failed = inNewNamespace((fd) => {
      made = fd;
    });
    if (failed !== null) throw new Error(`a network namespace for ${name}: ${failed}`);
    const device = `pod${this.#count++}`;
    run('ip', [
      `link add ${device} type veth peer name eth0 netns /proc/${process.pid}/fd/${made}`,
      `link set ${device} master heddle0 up`,
    ]);
    inNamespace(made, () => {
      run('ip', [
        'link set lo up',
        `address add ${address}/16 dev eth0`,
        'link set eth0 up',
        `route add default via ${BRIDGE_ADDRESS}`,
      ]);
      // Ports below 1024 are for everybody, as in a pod.
      writeFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', '0');
      if (isCaptured) load(captureRules());
    });
    this.#pods.set(name, made);
    return made;
  }

  networkOf(name: string): number | null {
    return this.#pods.get(name) ?? null;
  }
}

let rules: string | null = null;

/** Istio's, with the control plane left alone, and the proxy known by its mark. */
function captureRules(): string {
  if (rules !== null) return rules;
  const surroundings = { passwd: '', group: '', resolvConf: '', hasIpv6: false };
  const { options, errors } = readOptions(
    {
      'proxy-mark': String(PROXY_MARK),
      'istio-service-exclude-cidr': `${BRIDGE_ADDRESS}/32`,
      'redirect-dns': 'true',
      'capture-all-dns': 'true',
      ipv6: 'off',
    },
    surroundings,
  );
  if (errors.length > 0) throw new Error(errors.join('; '));
  rules = nftText(planCapture({ ...options, proxyUids: [], proxyGids: [] }));
  return rules;
}

function load(text: string): void {
  const { status, stderr, error } = spawnSync('nft', ['-f', '-'], { input: text, encoding: 'utf8' });
  if (status !== 0) throw new Error(`nft: ${error?.message ?? stderr.trim()}`);
}

function run(program: 'ip', lines: readonly string[]): void {
  const options = { input: lines.join('\n'), encoding: 'utf8' } as const;
  const { status, stderr, error } = spawnSync(program, ['-batch', '-'], options);
  if (status !== 0) throw new Error(`${program}: ${error?.message ?? stderr.trim()}`);
}

/** What programs of that namespace look names up with: they are asked of the proxy. */
export function writeResolver(path: string, namespace: string): void {
  const search = `${namespace}.svc.cluster.local svc.cluster.local cluster.local`;
  writeFileSync(path, `search ${search}\nnameserver ${NAME_SERVER}\noptions ndots:5\n`, { mode: 0o644 });
}

/** For the mount namespace of this process. */
export function bindResolver(path: string): void {
  const { status, stderr } = spawnSync('mount', ['--bind', path, realResolver()], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mount ${path}: ${stderr.trim()}`);
}

/** A link to elsewhere may lead nowhere in these namespaces. */
function realResolver(): string {
  const target = '/etc/resolv.conf';
  try {
    readFileSync(target);
  } catch {
    openSync(target, 'a');
  }
  return target;
}
