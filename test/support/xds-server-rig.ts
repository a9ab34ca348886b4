// The control plane's xDS server on a socket, with tables that a test fills by hand, and notes of what happened.
import assert from 'node:assert/strict';
import { Clock, Random } from '../../src/base/clock.ts';
import { GrpcServer } from '../../src/grpc/server.ts';
import { createEngine, isListenError } from '../../src/net/engine.ts';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { typeUrlOf } from '../../src/proto/type-url.ts';
import { encodedResource, ResourceTable } from '../../src/xds/server/resource.ts';
import { XdsServer } from '../../src/xds/server/server.ts';
import type { XdsRefusalOf } from '../../src/xds/server/types.ts';

export class XdsServerRig {
  readonly port: number;
  readonly xds: XdsServer<string>;
  readonly refusals: XdsRefusalOf[] = [];
  /** 'Cluster ×3' of each response. */
  readonly sent: string[] = [];
  readonly tables = new Map<string, ResourceTable[]>();
  readonly #server: GrpcServer;

  /** `tables`: of a server before, which comes back. Proxies of the cluster 'heddle' report what is live. */
  constructor(port = 0, tables: ReadonlyMap<string, ResourceTable[]> = new Map()) {
    this.tables = new Map(tables);
    const clock = new Clock();
    const onBug = (error: unknown): never => {
      throw error;
    };
    const engine = createEngine({ clock, onBug });
    clock.wrap = (run) => engine.run(run);
    this.xds = new XdsServer<string>({
      clock,
      identifier: 'heddle-test',
      authenticate: () => 'anybody',
      admit: (_identity, node) => {
        const isHeddle = node.cluster === 'heddle';
        return {
          view: { tables: (typeUrl) => this.tables.get(typeUrl) ?? NONE },
          ...{ label: node.id ?? '', reportsLive: isHeddle, takesGoodOnes: isHeddle, close() {} },
        };
      },
      observer: {
        refused: (_stream, refusal) => this.refusals.push(refusal),
        sent: (_stream, typeUrl, resources) => this.sent.push(`${shortName(typeUrl)} ×${resources}`),
      },
    });
    this.#server = new GrpcServer({ engine, random: new Random() });
    this.#server.add(...this.xds.methods());
    const listener = this.#server.listen({ family: 'ipv4', address: '127.0.0.1', port });
    if (isListenError(listener)) throw new Error(listener.detail);
    this.port = (listener.address as { port: number }).port;
  }

  table(type: string): ResourceTable {
    const typeUrl = typeUrlOf(type);
    const known = this.tables.get(typeUrl)?.[0];
    if (known !== undefined) return known;
    const table = new ResourceTable(typeUrl, 'test');
    this.tables.set(typeUrl, [table]);
    return table;
  }

  /** Puts and removes (null) resources of one type, without telling anybody. */
  change(type: string, changes: Readonly<Record<string, object | null>>): void {
    const made = Object.entries(changes).map(([name, json]) => {
      return [name, json === null ? null : encoded(type, name, json)] as const;
    });
    this.table(type).apply(made);
  }

  push(): void {
    this.xds.push();
  }

  /** Every client has acknowledged everything. */
  get isSettled(): boolean {
    for (const stream of this.xds.streams) if (!stream.types.every((type) => type.isCurrent)) return false;
    return this.xds.streams.size > 0;
  }

  stop(): void {
    this.xds.close();
    this.#server.stop();
  }
}

const NONE: readonly ResourceTable[] = [];

function encoded(type: string, name: string, json: object) {
  const report = new Report();
  const message = fromJson(registry.message(type) as never, json, report);
  assert.deepEqual(report.problems, []);
  return encodedResource(typeUrlOf(type), name, encodeBinary(registry.message(type) as never, message as never));
}

function shortName(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('.') + 1);
}
