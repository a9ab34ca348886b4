// What is on a machine before capture is set up: privileges, programs, other people's rules, who holds the ports.
import type { InterceptOptions } from './plan/options.ts';
import { CHAIN_PREFIX } from './plan/iptables-text.ts';
import { NFT_TABLE } from './plan/nft-text.ts';
import { CaptureError, firstLine, type Machine } from './machine.ts';

const CAP_NET_ADMIN = 12n;

export function requirePrivilege(machine: Machine): void {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(machine.read('/proc/self/status') ?? '')?.[1];
  // Where the system does not say, the programs will.
  if (effective === undefined || ((BigInt(`0x${effective}`) >> CAP_NET_ADMIN) & 1n) === 1n) return;
  throw new CaptureError(
    'changing rules needs the capability NET_ADMIN: run as root, or give it to the container ' +
      '(securityContext.capabilities.add: [NET_ADMIN, NET_RAW])',
  );
}

export type SeenChain = {
  /** `inet`, `ip`, `ip6`, … */
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook: string | null;
  readonly drops: boolean;
};

export type Survey = {
  /** Null: usable; else why not. */
  readonly nftProblem: string | null;
  /** All chains that nftables shows, those of iptables on nftables too. */
  readonly chains: readonly SeenChain[];
  /** All tables: `ip nat`. */
  readonly tables: readonly string[];
  /** Tables that legacy iptables has in use here. */
  readonly legacyTables: readonly string[];
};

export function survey(machine: Machine): Survey {
  const ran = machine.run('nft', ['list', 'chains']);
  const nftProblem = ran.isMissing ? 'nft is not installed' : ran.ok ? null : `nft: ${firstLine(ran.complaint)}`;
  const legacyTables = ['ip_tables_names', 'ip6_tables_names'].flatMap((file) =>
    (machine.read(`/proc/thread-self/net/${file}`) ?? '').split('\n').filter((name) => name !== ''),
  );
  const tables = [...ran.output.matchAll(/^table (\S+ \S+) \{/gm)].map(([, table]) => table as string);
  return { nftProblem, chains: parseChains(ran.output), tables, legacyTables };
}

function parseChains(text: string): SeenChain[] {
  const chains: SeenChain[] = [];
  let table: [string, string] = ['', ''];
  for (const line of text.split('\n')) {
    const opened = /^table (\S+) (\S+) \{/.exec(line);
    if (opened !== null) table = [opened[1] as string, opened[2] as string];
    const chain = /^\tchain (\S+) \{/.exec(line);
    if (chain !== null) {
      chains.push({ family: table[0], table: table[1], name: chain[1] as string, hook: null, drops: false });
    }
    const based = /^\t\ttype \S+ hook (\S+) .*policy (\S+);/.exec(line);
    const last = chains.at(-1);
    if (based !== null && last !== undefined) {
      chains[chains.length - 1] = { ...last, hook: based[1] as string, drops: based[2] === 'drop' };
    }
  }
  return chains;
}

export function hasOurTable({ chains }: Survey): boolean {
  return chains.some(({ family, table }) => family === 'inet' && table === NFT_TABLE);
}

export function hasOurIptablesChains({ chains }: Survey): boolean {
  return chains.some(({ name }) => name.startsWith(CHAIN_PREFIX));
}

/** Which back-end's rules of ours are in place; legacy ones are found by their chains. */
export function kindInPlace(machine: Machine, seen: Survey): 'nft' | 'iptables-nft' | 'iptables-legacy' | null {
  if (hasOurTable(seen)) return 'nft';
  if (hasOurIptablesChains(seen)) return 'iptables-nft';
  const isOurs = (infix: string): boolean =>
    machine.run(`iptables${infix}-save`, []).output.includes(`:${CHAIN_PREFIX}`);
  if (seen.legacyTables.length > 0 && isOurs('-legacy')) return 'iptables-legacy';
  return seen.nftProblem !== null && isOurs('') ? 'iptables-nft' : null;
}

/** Chains as `iptables-save` shows them, for machines without nft. */
export function chainsOfSaved(text: string, family: 'ip' | 'ip6'): SeenChain[] {
  let table = '';
  return text.split('\n').flatMap((line): SeenChain[] => {
    if (line.startsWith('*')) table = line.slice(1).trim();
    const [, name, policy] = /^:(\S+) (\S+)/.exec(line) ?? [];
    if (name === undefined) return [];
    return [{ family, table, name, hook: policy === '-' ? null : name.toLowerCase(), drops: policy === 'DROP' }];
  });
}

/** Others that capture as well: two of them fight. How each is told apart, and what takes it away. */
const MESHES: readonly (readonly [name: string, isOne: RegExp, remedy: string])[] = [
  [
    'Istio',
    /^(?:ISTIO_|istio-proxy-)/,
    'pilot-agent istio-iptables --cleanup-only, or leave out the injected istio-init',
  ],
  ['Linkerd', /^PROXY_INIT_/, 'disable its injection for this workload'],
  ['Kuma', /^(?:KUMA_)?MESH_(?:IN|OUT)BOUND/, 'disable its injection for this workload'],
];

/** Rules that say that this is no place for one application. */
const HOSTS: readonly (readonly [name: string, isOne: RegExp])[] = [
  ['Docker', /^DOCKER$/],
  ['Kubernetes', /^KUBE-(?:SERVICES|MARK-MASQ)$/],
];

export type Others = { readonly errors: readonly string[]; readonly notes: readonly string[] };

export function findOthers(chains: readonly SeenChain[], options: InterceptOptions): Others {
  const errors: string[] = [];
  const notes: string[] = [];
  const find = (isOne: RegExp): SeenChain | undefined =>
    chains.find(({ table, name }) => isOne.test(name) || isOne.test(table));
  const where = ({ family, table, name }: SeenChain): string => `chain ${name} of table ${family} ${table}`;
  for (const [name, isOne, remedy] of MESHES) {
    const chain = find(isOne);
    if (chain === undefined) continue;
    errors.push(`${name}'s rules are in place (${where(chain)}) and would fight with these: ${remedy}`);
  }
  for (const [name, isOne] of HOSTS) {
    const chain = find(isOne);
    if (chain === undefined) continue;
    errors.push(
      `${name}'s rules are in place (${where(chain)}): this machine serves containers, whose connections would be ` +
        'captured too; name the namespace of one with --netns /proc/PID/ns/net',
    );
  }
  const wall = chains.find(({ hook, drops, table }) => hook === 'input' && drops && table !== NFT_TABLE);
  if (wall !== undefined) {
    const { inboundCapturePort, proxyPort, mode } = options;
    const ports = mode === 'TPROXY' ? `${proxyPort}` : `${inboundCapturePort} and ${proxyPort}`;
    notes.push(`a firewall drops what it does not know (${where(wall)}): it must let TCP in to ports ${ports}`);
  }
  return { errors, notes };
}

const LISTEN = '0A';
/** The state of a UDP socket that is bound. */
const BOUND = '07';

/** Who holds a port of the proxy without being the proxy. */
export function findSquatters(machine: Machine, options: InterceptOptions): string[] {
  if (options.mode === 'NONE') return [];
  const { proxyPort, inboundCapturePort, dnsPort, dns } = options;
  const wanted: readonly (readonly [protocol: 'tcp' | 'udp', port: number])[] = [
    ['tcp', proxyPort],
    ['tcp', inboundCapturePort],
    ...(dns === null
      ? []
      : ([
          ['tcp', dnsPort],
          ['udp', dnsPort],
        ] as const)),
  ];
  const found = new Map<string, string>();
  for (const [protocol, port] of wanted) {
    for (const { uid, inode } of holders(machine, protocol, port)) {
      if (options.proxyUids.includes(uid)) continue;
      const holder = describeHolder(machine, inode);
      if (holder?.gid !== undefined && options.proxyGids.includes(holder.gid)) continue;
      found.set(
        `${protocol} ${port}`,
        `${protocol} port ${port} is held by ${holder?.text ?? 'a process'} of user ${uid}, who is not the proxy by ` +
          `--proxy-uid ${options.proxyUids.join(',')}: end it, run it as that user, or pass --proxy-uid ${uid}`,
      );
    }
  }
  return [...found.values()];
}

/** Whether somebody listens on a TCP port. */
export function isListening(machine: Machine, port: number): boolean {
  return holders(machine, 'tcp', port).length > 0;
}

function holders(machine: Machine, protocol: 'tcp' | 'udp', port: number): { uid: number; inode: string }[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const state = protocol === 'tcp' ? LISTEN : BOUND;
  return [protocol, `${protocol}6`].flatMap((file) =>
    (machine.read(`/proc/thread-self/net/${file}`) ?? '').split('\n').flatMap((line) => {
      const columns = line.trim().split(/\s+/);
      if (columns[3] !== state || columns[1]?.endsWith(suffix) !== true) return [];
      return [{ uid: Number(columns[7]), inode: columns[9] ?? '' }];
    }),
  );
}

/** Machines with more processes than this are not searched to the end. */
const MAX_PROCESSES = 4096;

function describeHolder(machine: Machine, inode: string): { text: string; gid: number | undefined } | null {
  const pids = machine.list('/proc').filter((name) => /^\d+$/.test(name));
  for (const pid of pids.slice(0, MAX_PROCESSES)) {
    for (const fd of machine.list(`/proc/${pid}/fd`)) {
      if (machine.link(`/proc/${pid}/fd/${fd}`) !== `socket:[${inode}]`) continue;
      const status = machine.read(`/proc/${pid}/status`) ?? '';
      const name = /^Name:\s*(.+)$/m.exec(status)?.[1] ?? 'a process';
      // The third is the effective one of sockets.
      const gid = /^Gid:\s*\d+\s+(\d+)/m.exec(status)?.[1];
      return { text: `${name} (process ${pid})`, gid: gid === undefined ? undefined : Number(gid) };
    }
  }
  return null;
}
