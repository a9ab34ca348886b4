// The mesh's roots on their way to the proxies: one resource, the same for all, and who has not taken it yet.
import type { Clock } from '../base/clock.ts';
import type { Authority } from '../ca/authority.ts';
import { encodeBinary } from '../proto/binary-encode.ts';
import { registry } from '../proto/registry.ts';
import { type EncodedResource, encodedResource, ResourceTable, type ResourceView } from '../xds/server/resource.ts';
import type { XdsStream } from '../xds/server/stream.ts';

const PROXY_CONFIG = 'istio.mesh.v1alpha1.ProxyConfig';
export const PROXY_CONFIG_TYPE = `type.googleapis.com/${PROXY_CONFIG}`;

/** The one resource, without a name, as istiod has it for meshes of several roots. */
export function trustBundleResource(roots: readonly string[]): EncodedResource {
  // Sorted: which of them signs is nobody's business, and a promotion is no change.
  const body = encodeBinary(registry.message(PROXY_CONFIG), { ca_certificates_pem: [...roots].sort() });
  return encodedResource(PROXY_CONFIG_TYPE, '', body);
}

/** What of a stream is asked here. */
export type TrustingStream = Pick<XdsStream, 'label' | 'type'>;

export class TrustBundleTable {
  readonly table = new ResourceTable(PROXY_CONFIG_TYPE, 'trust bundle');
  readonly #tables: readonly ResourceTable[] = [this.table];
  readonly #clock: Clock;
  #changedMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#changedMs = clock.nowMs;
  }

  /** Has what the CA says, from now on; `push` tells the streams. Returns what ends that. */
  follow(authority: Authority, push: () => void): () => void {
    this.table.set([trustBundleResource(authority.bundle.roots)]);
    return authority.onChange(() => {
      if (this.table.set([trustBundleResource(authority.bundle.roots)]).length === 0) return;
      this.#changedMs = this.#clock.nowMs;
      push();
    });
  }

  /** What the proxy sees, and the roots. */
  within(view: ResourceView): ResourceView {
    return { tables: (typeUrl) => (typeUrl === PROXY_CONFIG_TYPE ? this.#tables : view.tables(typeUrl)) };
  }

  /**
   * Who has not acknowledged the roots as they are now. Whoever does not ask for them learns of them with its next
   * certificate: it is waited for until all certificates of before are over.
   */
  waitingFor(streams: Iterable<TrustingStream>, maxLifeMs: number): string[] {
    const isRenewed = this.#clock.nowMs - this.#changedMs >= maxLifeMs;
    const waiting: string[] = [];
    for (const stream of streams) {
      const type = stream.type(PROXY_CONFIG_TYPE);
      const isAware = type === undefined ? isRenewed : type.ackedOf(this.table) === this.table.seq;
      if (!isAware) waiting.push(stream.label);
    }
    return waiting;
  }
}
