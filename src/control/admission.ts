// Lets proxies in: what a stream proves of itself, what its node claims, and what it may see.
import type { Clock } from '../base/clock.ts';
import type { Collection } from '../base/collection.ts';
import {
  type Authenticator,
  authenticate,
  callFacts,
  type Identity,
  identityText,
} from '../ca/authenticate/authenticator.ts';
import { type AccountWorkload, checkNode, gatewayPolicy, type GatewaySelector } from '../ca/node-claims.ts';
import type { ServerCall } from '../grpc/service.ts';
import { type GrpcStatus, grpcStatus } from '../grpc/status.ts';
import type { Node } from '../proto/generated/types.d.ts';
import type { Logger } from '../telemetry/log.ts';
import { GRPC } from '../wire/grpc/status.ts';
import type { XdsAdmission } from '../xds/server/types.ts';
import type { MeshState } from './mesh-state.ts';
import { type NodeMessage, readNode } from './model/node.ts';
import type { Gateway } from './model/gateway.ts';
import type { ConnectedProxy } from './stages/plans-stage.ts';
import type { TrustBundleTable } from './trust-bundle.ts';

/** Null: a process of this machine that is believed without proof (`--trust-loopback`). */
export type Caller = { readonly identity: Identity | null };

export type AdmissionParts = {
  readonly state: MeshState;
  readonly authenticators: readonly Authenticator[];
  readonly trustsLoopback: boolean;
  /** Every proxy sees the roots of the mesh. */
  readonly trust: TrustBundleTable;
  readonly log: Logger;
  readonly clock: Clock;
};

/** Of a node as JSON text: it is kept as long as the stream. Those of real sidecars have a few thousand. */
const MAX_NODE_LENGTH = 256 * 1024;

/** Lines about refused callers in so long: whoever reaches the port can cause them. */
const MAX_WARNINGS = 20;
const WARNINGS_MS = 10_000;

export class Admission {
  readonly #parts: AdmissionParts;
  #warnings = 0;
  #warningsFromMs = Number.NEGATIVE_INFINITY;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  async authenticate(call: ServerCall<unknown>): Promise<Caller | GrpcStatus> {
    const { authenticators, trustsLoopback } = this.#parts;
    const facts = callFacts(call);
    // The port without TLS listens on loopback only.
    if (trustsLoopback && facts.tls === null && facts.bearer === null) return { identity: null };
    const proved = await authenticate(authenticators, facts);
    if ('reasons' in proved) {
      this.#warn(`xDS: a caller proved no identity: ${proved.reasons.join('; ')}`);
      return grpcStatus(GRPC.unauthenticated, `no identity was proved: ${proved.reasons.join('; ')}`);
    }
    // One-time tokens are for certificates; a stream would use one up and could not come back.
    if (proved.settle !== null) {
      proved.settle(false);
      return grpcStatus(GRPC.unauthenticated, `a ${proved.by} is for CreateCertificate; come with the certificate`);
    }
    return { identity: proved.identity };
  }

  admit({ identity }: Caller, node: Node): XdsAdmission | GrpcStatus {
    const { state, trust } = this.#parts;
    if (JSON.stringify(node).length > MAX_NODE_LENGTH) {
      return grpcStatus(GRPC.resourceExhausted, `the node is longer than ${MAX_NODE_LENGTH} characters`);
    }
    const read = readNode(node as NodeMessage);
    if ('error' in read) return grpcStatus(GRPC.invalidArgument, read.error);
    const metadata = (node.metadata ?? {}) as Readonly<Record<string, unknown>>;
    if (identity !== null) {
      const problem = checkNode(identity, { id: node.id, metadata }, this.#policy());
      if (problem !== null) {
        this.#warn(`xDS: ${identityText(identity)} was refused: ${problem}`);
        return grpcStatus(GRPC.permissionDenied, problem);
      }
    }
    const proxy = { ...read, account: identity?.account ?? read.account, isProved: identity !== null };
    const key = keyOf(proxy);
    const view = trust.within(state.connect(key, proxy));
    return {
      view,
      label: proxy.id,
      reportsLive: proxy.kind === 'heddle',
      takesGoodOnes: proxy.kind === 'heddle',
      close: () => state.disconnect(key),
    };
  }

  #warn(text: string): void {
    const { clock, log } = this.#parts;
    const nowMs = clock.update();
    if (nowMs - this.#warningsFromMs >= WARNINGS_MS) {
      const silent = this.#warnings - MAX_WARNINGS;
      if (silent > 0) log.warn(`xDS: ${silent} more callers were refused`);
      this.#warnings = 0;
      this.#warningsFromMs = nowMs;
    }
    if (++this.#warnings <= MAX_WARNINGS) log.warn(text);
  }

  /** Which accounts may be gateways follows from what is known now. */
  #policy(): ReturnType<typeof gatewayPolicy> {
    const { stages } = this.#parts.state;
    return gatewayPolicy(accountsOf(stages.services.workloads), selectorsOf(stages.gateways.gateways));
  }
}

/** What of a node decides what it sees; two streams of one proxy share a view. */
function keyOf({ metadata: _metadata, ...facts }: ConnectedProxy): string {
  return JSON.stringify(facts);
}

function* accountsOf(workloads: Collection<AccountWorkload>): Generator<AccountWorkload> {
  for (const [, workload] of workloads.entries()) yield workload;
}

function selectorsOf(gateways: Collection<Gateway>): GatewaySelector[] {
  return [...gateways.entries()].map(([, gateway]) => ({
    namespace: gateway.selectorNamespace === '' ? null : gateway.selectorNamespace,
    labels: gateway.selector,
  }));
}
