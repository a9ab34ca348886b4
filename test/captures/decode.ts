// Decodes captured resources as a worker does after an xDS response: JSON → bytes → runtime object, or why not.
import type { Bootstrap } from '../../src/proto/generated/types.d.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import type { MessageType } from '../../src/proto/message-type.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { type CoreParts, type Decoded, decodeProxy, makeCore } from '../../src/proxy/core.ts';
import { DEFAULT_PROXY_OPTIONS } from '../../src/proxy/options.ts';
import { ResourceDecoder, typeName } from '../../src/proxy/workers/resource-decoder.ts';
import { NAME_TABLE_TYPE, PROXY_CONFIG_TYPE } from '../../src/proxy/xds/types.ts';
import { LogRegistry } from '../../src/telemetry/log.ts';
import type { CapturedResource } from './captures.ts';

/** Kept for others as they come: no worker decodes them. */
const KEPT_TYPES: ReadonlySet<string> = new Set([NAME_TABLE_TYPE, PROXY_CONFIG_TYPE]);

const CLUSTER_TYPE = 'envoy.config.cluster.v3.Cluster';

/** What an agent's bootstrap has of its own. */
const BOOTSTRAP = {
  node: { id: 'sidecar~10.0.1.1~productpage-v1.bookinfo~bookinfo.svc.cluster.local', cluster: 'productpage.bookinfo' },
  static_resources: { clusters: [pipeCluster('sds-grpc'), pipeCluster('xds-grpc')] },
  bootstrap_extensions: [
    {
      name: 'envoy.bootstrap.internal_listener',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener',
      },
    },
  ],
};

function pipeCluster(name: string): object {
  const endpoint = { address: { pipe: { path: `./${name}.sock` } } };
  return {
    ...{ name, type: 'STATIC', connect_timeout: '1s' },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  };
}

/** The bytes of a resource as a server sends them, or the problems of its JSON. */
export function resourceBytes(json: CapturedResource['json']): Uint8Array | Report {
  const { '@type': typeUrl, ...fields } = json;
  const type: MessageType | undefined = registry.find(typeName(String(typeUrl)));
  const report = new Report();
  if (type === undefined) report.add('', 'unknown-type', `unknown message type '${String(typeUrl)}'`);
  const message = type === undefined ? {} : fromJson(type, fields, report);
  return type !== undefined && report.isEmpty ? encodeBinary(type, message as never) : report;
}

export class CaptureDecoder {
  readonly #decoder: ResourceDecoder;
  /** Why each resource is refused; captures share most of them. */
  readonly #known = new Map<object, readonly string[]>();
  /** Clusters of the capture at hand: routes may name them. */
  #clusters: ReadonlySet<string> = new Set();
  #generation = 0;

  constructor() {
    const report = new Report();
    const bootstrap = fromJson(registry.message('envoy.config.bootstrap.v3.Bootstrap'), BOOTSTRAP, report) as Bootstrap;
    const logs = LogRegistry.open({ level: 'error' });
    if (typeof logs === 'string') throw new Error(logs);
    const parts: CoreParts = { options: DEFAULT_PROXY_OPTIONS, logs, variables: {}, version: '1.0.0' };
    const decoded = decodeProxy(parts, makeCore(parts), bootstrap);
    if ('error' in decoded) throw new Error(decoded.error);
    const hasCluster = (name: string): boolean => this.#clusters.has(name);
    const environment: Decoded['environment'] = { ...decoded.environment, hasCluster };
    this.#decoder = new ResourceDecoder({ ...decoded, environment });
  }

  /** From now on these clusters exist. */
  setClusters(types: ReadonlyMap<string, readonly CapturedResource[]>): void {
    this.#clusters = new Set(types.get(`type.googleapis.com/${CLUSTER_TYPE}`)?.map(({ name }) => name));
  }

  /** 'path: reason' for each thing that is refused; empty when it serves. */
  refusals(resource: CapturedResource): readonly string[] {
    let reasons = this.#known.get(resource.json);
    if (reasons === undefined) {
      reasons = this.#decode(resource);
      this.#known.set(resource.json, reasons);
    }
    return reasons;
  }

  #decode({ name, json }: CapturedResource): readonly string[] {
    const bytes = resourceBytes(json);
    if (bytes instanceof Report) return bytes.toString().split('\n');
    const update = { typeUrl: String(json['@type']), name, bytes };
    if (KEPT_TYPES.has(typeName(update.typeUrl))) return [];
    const refusal = this.#decoder.refusal(update);
    if (refusal !== null) return [refusal];
    const steps = this.#decoder.decode(update, ++this.#generation);
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    return typeof step.value === 'string' ? step.value.split('\n') : [];
  }
}
