// What a node says of its proxy: 'sidecar~10.0.1.1~productpage-v1.bookinfo~bookinfo.svc.cluster.local', and metadata.
import { type ExplicitMode, parseExplicit } from '../../base/explicit-mode.ts';
import { parseNodeId } from '../../base/node-id.ts';
import type { Interception, ProxyKind, ProxyNode } from './proxy.ts';
import type { Locality } from './service.ts';

/** envoy.config.core.v3.Node, as far as it is read. */
export type NodeMessage = {
  readonly id?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly locality?: { readonly region?: string; readonly zone?: string; readonly sub_zone?: string };
};

const MAX_LABELS = 256;
const MAX_ADDRESSES = 64;
const MAX_TEXT = 1024;

/** The proxy, or why the node cannot be one. */
export function readNode(node: NodeMessage): ProxyNode | { readonly error: string } {
  const id = node.id ?? '';
  const parsed = parseNodeId(id);
  if (typeof parsed === 'string') return { error: parsed };
  const metadata = node.metadata ?? {};
  const explicit = explicitOf(metadata, parsed.role);
  if (typeof explicit === 'string') return { error: `node ${id.slice(0, 100)}: ${explicit}` };
  const text = (field: string): string => {
    const value = metadata[field];
    return typeof value === 'string' && value.length <= MAX_TEXT ? value : '';
  };
  return {
    id,
    role: parsed.role,
    kind: kindOf(metadata),
    name: parsed.name,
    namespace: text('NAMESPACE') || parsed.namespace,
    dnsDomain: parsed.domain,
    account: text('SERVICE_ACCOUNT'),
    addresses: addressesOf(text('INSTANCE_IPS'), parsed.ip, explicit !== null),
    labels: labelsOf(metadata['LABELS']),
    workloadName: text('WORKLOAD_NAME'),
    cluster: text('CLUSTER_ID'),
    network: text('NETWORK'),
    locality: localityOf(node, labelsOf(metadata['LABELS'])),
    interception: explicit === null ? interceptionOf(text('INTERCEPTION_MODE')) : 'NONE',
    explicit,
    dnsCapture: isTrue(metadata['DNS_CAPTURE']),
    dnsAutoAllocate: isTrue(metadata['DNS_AUTO_ALLOCATE']),
    http10: isTrue(metadata['HTTP10']),
    hbone: isTrue(metadata['ENABLE_HBONE']),
    metadata,
  };
}

/** By what the proxy says it can, never by its user agent. */
function kindOf(metadata: Readonly<Record<string, unknown>>): ProxyKind {
  if (metadata['GENERATOR'] === 'grpc') return 'grpc';
  if (metadata['HEDDLE_PROXY'] === 'envoy') return 'envoy';
  if (typeof metadata['HEDDLE_VERSION'] === 'string') return 'heddle';
  return typeof metadata['ISTIO_VERSION'] === 'string' ? 'istio-proxy' : 'envoy';
}

/** Without redirect a proxy binds the address that is its workload's alone: the others are the machine's. */
function addressesOf(list: string, address: string, isExplicit: boolean): readonly string[] {
  const all = list === '' ? [address] : list.split(',').map((entry) => entry.trim());
  return all.filter((entry) => entry !== '').slice(0, isExplicit ? 1 : MAX_ADDRESSES);
}

function explicitOf(metadata: Readonly<Record<string, unknown>>, role: string): ExplicitMode | null | string {
  if (metadata['EXPLICIT'] === undefined) return null;
  if (role !== 'sidecar' && role !== 'router') return `EXPLICIT is for sidecars and gateways, not for a ${role}`;
  return parseExplicit(metadata['EXPLICIT']);
}

function labelsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  const pairs = Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === 'string');
  return Object.fromEntries(pairs.slice(0, MAX_LABELS));
}

function localityOf({ locality }: NodeMessage, labels: Readonly<Record<string, string>>): Locality {
  const label = labels['istio-locality'];
  if (label !== undefined) {
    const [region = '', zone = '', subZone = ''] = label.split(label.includes('/') ? '/' : '.');
    return { region, zone, subZone };
  }
  return { region: locality?.region ?? '', zone: locality?.zone ?? '', subZone: locality?.sub_zone ?? '' };
}

function interceptionOf(mode: string): Interception {
  return mode === 'TPROXY' || mode === 'NONE' ? mode : 'REDIRECT';
}

function isTrue(value: unknown): boolean {
  return value === true || value === 'true' || value === '1';
}
