// The transport sockets of one cluster: which one a host gets, by its metadata, and whether all of them are ready.
import { whenAll } from '../../base/when-all.ts';
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Metadata } from '../stream-info.ts';
import type { TransportConfig, TransportServices, UpstreamTransport } from '../transport/transport.ts';
import type { ClusterConfig, EndpointConfig, TransportMatch } from './cluster-config.ts';
import type { ClusterScope } from './stats.ts';

/** Namespace of the metadata that matches look at. */
const MATCH_NAMESPACE = 'envoy.transport_socket_match';

/** What of an endpoint chooses its transport. */
export type MatchedEndpoint = Pick<EndpointConfig, 'metadata' | 'localityMetadata'>;

export type Choice = {
  readonly labels: TransportMatch['labels'];
  readonly transport: UpstreamTransport | null;
  /** Of NAME.total_match_count. */
  readonly cell: number;
};

/** Source: Envoy TransportSocketMatcherImpl. */
export class ClusterTransports {
  readonly #choices: readonly Choice[];
  readonly #default: Choice;
  readonly #all: readonly UpstreamTransport[];
  /** Whether connections differ by whom they are for (PROXY headers). */
  readonly needsConnection: boolean;

  constructor(config: ClusterConfig, scope: ClusterScope, services: TransportServices | undefined) {
    const all: UpstreamTransport[] = [];
    const statPrefix = `cluster.${config.statName}.`;
    const make = (transport: TransportConfig<UpstreamTransport> | null): UpstreamTransport | null => {
      if (transport === null) return null;
      assert(services !== undefined, 'transport sockets need their services');
      const made = transport.factory.create(transport.config as never, { ...services, statPrefix });
      all.push(made);
      return made;
    };
    const transport = make(config.transport);
    this.#default = { labels: new Map(), transport, cell: scope.i['default.total_match_count'] };
    this.#choices = config.transportMatches.map(({ name, labels, transport }) => ({
      labels,
      transport: make(transport),
      cell: scope.dynamicCounter(`${name}.total_match_count`),
    }));
    this.#all = all;
    this.needsConnection = all.some((one) => one.needsConnection);
  }

  /** Endpoint metadata comes before the locality's. */
  find({ metadata, localityMetadata }: MatchedEndpoint): Choice {
    const found = this.#match(metadata);
    if (found !== undefined || localityMetadata === undefined) return found ?? this.#default;
    return this.#match(localityMetadata) ?? this.#default;
  }

  #match(metadata: Metadata | null): Choice | undefined {
    const found = metadata?.get(MATCH_NAMESPACE);
    return this.#choices.find(({ labels }) => matches(labels, found));
  }

  /** Calls back once, perhaps now: secrets are there, or did not come. */
  whenSettled(settled: () => void): void {
    whenAll(this.#all, (one, called) => one.whenSettled(called), settled);
  }

  close(): void {
    for (const one of this.#all) one.close();
  }
}

/** No labels match everything. */
function matches(labels: TransportMatch['labels'], found: Readonly<Record<string, unknown>> | undefined): boolean {
  if (found === undefined) return labels.size === 0;
  for (const [name, value] of labels) if (!isDeepStrictEqual(found[name], value)) return false;
  return true;
}
