// For tests: a client of the xDS server without sockets, that the test makes ask, acknowledge and refuse by hand.
import type { Clock } from '../../../base/clock.ts';
import type { ServerCall, ServerCallHandler } from '../../../grpc/service.ts';
import type { GrpcStatus } from '../../../grpc/status.ts';
import { decodeBinary } from '../../../proto/binary-decode.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from '../../../proto/generated/types.d.ts';
import { registry } from '../../../proto/registry.ts';
import { Headers } from '../../../wire/headers.ts';
import { AGGREGATED_SERVICE } from '../../client/services.ts';
import { encodedResource, type EncodedResource, ResourceTable, type ResourceView } from '../resource.ts';
import type { XdsServer } from '../server.ts';
import type { XdsAdmission } from '../types.ts';

export type Response = DeltaDiscoveryResponse & DiscoveryResponse;
type Request = DeltaDiscoveryRequest & DiscoveryRequest;

/** A resource whose content is a text. */
export function textResource(typeUrl: string, name: string, text: string, aliases: string[] = []): EncodedResource {
  return encodedResource(typeUrl, name, Buffer.from(text), aliases);
}

/** A view over tables by type, which the test may exchange. */
export class TestView implements ResourceView {
  readonly byType = new Map<string, readonly ResourceTable[]>();

  tables(typeUrl: string): readonly ResourceTable[] {
    return this.byType.get(typeUrl) ?? NONE;
  }

  /** Adds a table of a type. */
  table(typeUrl: string, ...names: string[]): ResourceTable {
    const table = new ResourceTable(typeUrl, 'test');
    table.set(names.map((name) => textResource(typeUrl, name, '1')));
    this.byType.set(typeUrl, [...this.tables(typeUrl), table]);
    return table;
  }
}

const NONE: readonly ResourceTable[] = [];

export function admission(view: ResourceView, more: Partial<XdsAdmission> = {}): XdsAdmission {
  return { view, label: 'test', reportsLive: false, takesGoodOnes: false, close() {}, ...more };
}

/** Lets everything run that was put off. */
export async function tick(clock: Clock, count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => clock.defer(resolve));
}

export class ScriptedClient implements ServerCall<unknown> {
  readonly headers = new Headers();
  readonly remoteAddress = { family: 'ipv4' as const, address: '127.0.0.1', port: 1 };
  readonly tls = null;
  readonly remainingMs = Number.POSITIVE_INFINITY;
  readonly isDelta: boolean;
  isOver = false;
  isAboveWatermark = false;
  bufferedBytes = 0;
  status: GrpcStatus | null = null;
  /** Not looked at yet. */
  readonly responses: Response[] = [];
  #pauses = 0;
  #held: Request[] = [];
  readonly #handler: ServerCallHandler<unknown>;

  constructor(server: Pick<XdsServer<unknown>, 'methods'>, isDelta = true) {
    this.isDelta = isDelta;
    const path = isDelta ? AGGREGATED_SERVICE.delta : AGGREGATED_SERVICE.stream;
    const method = server.methods().find((one) => one.path === path);
    this.#handler = (method as NonNullable<typeof method>).start(this);
  }

  setMetadata(): void {}
  send(): void {}
  sendBytes(): void {}
  sendBuffers(pieces: readonly Buffer[]): void {
    const form = this.isDelta ? 'DeltaDiscoveryResponse' : 'DiscoveryResponse';
    const message = decodeBinary(registry.message(`envoy.service.discovery.v3.${form}`), Buffer.concat(pieces));
    this.responses.push(message as Response);
  }
  end(status: GrpcStatus): void {
    this.isOver = true;
    this.status = status;
  }
  pauseReading(): void {
    this.#pauses++;
  }
  resumeReading(): void {
    this.#pauses--;
    while (this.#pauses === 0 && this.#held.length > 0) this.#handler.onMessage(this.#held.shift());
  }

  ask(request: Request): void {
    if (this.isOver) return;
    if (this.#pauses > 0) this.#held.push(request);
    else this.#handler.onMessage(request);
  }

  /** Takes the oldest response; undefined: there is none. */
  next(): Response | undefined {
    return this.responses.shift();
  }

  /** Acknowledges, or refuses for a reason. `names`: state of the world says them each time. */
  answer(response: Response, error: string | null = null, names: readonly string[] = []): void {
    this.ask({
      type_url: response.type_url as string,
      response_nonce: response.nonce as string,
      ...(error === null ? {} : { error_detail: { code: 13, message: error } }),
      ...(this.isDelta ? {} : { resource_names: [...names], version_info: response.version_info as string }),
    });
  }

  drain(): void {
    this.isAboveWatermark = false;
    this.#handler.onDrain?.();
  }

  gone(): void {
    this.isOver = true;
    this.#handler.onCancelled?.('closed');
  }
}

/** 'TYPE name=text … -removed', for comparisons. */
export function describe(response: Response | undefined): string {
  if (response === undefined) return 'nothing';
  const type = (response.type_url as string).slice((response.type_url as string).lastIndexOf('.') + 1);
  const parts = (response.resources ?? []).map((one) => {
    const { name, resource, value } = one as { name?: string; resource?: { value?: Uint8Array }; value?: Uint8Array };
    const text = Buffer.from(resource?.value ?? value ?? []).toString();
    return name === undefined ? text : `${name}=${text}`;
  });
  const removed = (response.removed_resources ?? []).map((name) => `-${name}`);
  return [type, ...parts, ...removed].join(' ');
}
