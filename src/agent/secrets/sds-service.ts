// Secret discovery over gRPC: state of the world and delta, for the proxy beside the agent.
import type { AnyServerMethod, ServerCall, ServerCallHandler } from '../../grpc/service.ts';
import { unaryMethod } from '../../grpc/service.ts';
import { grpcStatus } from '../../grpc/status.ts';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from '../../proto/generated/types.d.ts';
import { registry } from '../../proto/registry.ts';
import { typeUrlName, typeUrlOf } from '../../proto/type-url.ts';
import { GRPC } from '../../wire/grpc/status.ts';
import { type EncodedSecret, SECRET_TYPE } from '../../identity/encoded-secret.ts';
import type { SecretStore, SecretSubscription } from '../../identity/secret-store.ts';

const SERVICE = '/envoy.service.secret.v3.SecretDiscoveryService';
const DISCOVERY = 'envoy.service.discovery.v3.';
const TYPE_URL = typeUrlOf(SECRET_TYPE);
/** Names of one stream; Envoy asks for one on each. */
const MAX_NAMES = 1000;

export type SdsParts = {
  readonly store: SecretStore;
  readonly log: (level: 'info' | 'warning', text: string) => void;
};

/** What is told of each request: the proxy refused what was sent. */
export function sdsMethods(parts: SdsParts): readonly AnyServerMethod[] {
  const message = (name: string) => registry.message(DISCOVERY + name) as never;
  return [
    {
      path: `${SERVICE}/StreamSecrets`,
      request: message('DiscoveryRequest'),
      response: message('DiscoveryResponse'),
      start: (call: ServerCall<unknown>) => new SotwStream(parts, call) as ServerCallHandler<unknown>,
    },
    {
      path: `${SERVICE}/DeltaSecrets`,
      request: message('DeltaDiscoveryRequest'),
      response: message('DeltaDiscoveryResponse'),
      start: (call: ServerCall<unknown>) => new DeltaStream(parts, call) as ServerCallHandler<unknown>,
    },
    unaryMethod<DiscoveryRequest, DiscoveryResponse>(
      `${SERVICE}/FetchSecrets`,
      message('DiscoveryRequest'),
      message('DiscoveryResponse'),
      ({ resource_names: names = [] }, _call, reply) => {
        const opened = names.slice(0, MAX_NAMES).map((name) => parts.store.subscribe(name, () => {}));
        const found = opened.flatMap(({ current }) => current ?? []);
        for (const one of opened) one.close();
        reply({ version_info: versionOf(found), type_url: TYPE_URL, resources: found.map(anyOf) });
        return undefined;
      },
    ) as AnyServerMethod,
  ];
}

type Wanted = { readonly subscription: SecretSubscription; sentVersion: string };

/** What both forms have in common: which names a client wants, and which of them it lacks. */
abstract class SecretStream {
  protected readonly parts: SdsParts;
  protected readonly call: ServerCall<unknown>;
  protected readonly wanted = new Map<string, Wanted>();
  #nonces = 0;
  protected nonce = '';

  constructor(parts: SdsParts, call: ServerCall<unknown>) {
    this.parts = parts;
    this.call = call;
  }

  protected add(name: string, sentVersion = ''): void {
    const known = this.wanted.get(name);
    if (known !== undefined) {
      known.sentVersion = sentVersion;
      return;
    }
    if (this.wanted.size >= MAX_NAMES) {
      this.end(GRPC.resourceExhausted, `more than ${MAX_NAMES} names`);
      return;
    }
    const subscription = this.parts.store.subscribe(name, () => this.push());
    this.wanted.set(name, { subscription, sentVersion });
  }

  protected remove(name: string): void {
    this.wanted.get(name)?.subscription.close();
    this.wanted.delete(name);
  }

  /** Those that changed since they were sent. */
  protected due(): EncodedSecret[] {
    const due: EncodedSecret[] = [];
    for (const wanted of this.wanted.values()) {
      const { current } = wanted.subscription;
      if (current === null || current.version === wanted.sentVersion) continue;
      wanted.sentVersion = current.version;
      due.push(current);
    }
    return due;
  }

  protected nextNonce(): string {
    this.nonce = String(++this.#nonces);
    return this.nonce;
  }

  /** False: the stream ended. */
  protected isOurs(typeUrl: string | undefined): boolean {
    if (typeUrl === undefined || typeUrl === '' || typeUrlName(typeUrl) === SECRET_TYPE) return true;
    this.end(GRPC.invalidArgument, `this server has secrets, not ${typeUrl}`);
    return false;
  }

  protected refused(message: string | undefined): void {
    const names = [...this.wanted.keys()].join(', ');
    this.parts.log('warning', `the proxy refused ${names}: ${message ?? 'without a reason'}`);
  }

  protected end(code: number, message: string): void {
    this.call.end(grpcStatus(code, message));
    this.onCancelled();
  }

  protected abstract push(): void;

  onEnd(): void {
    this.call.end();
    this.onCancelled();
  }

  onCancelled(): void {
    for (const { subscription } of this.wanted.values()) subscription.close();
    this.wanted.clear();
  }
}

class SotwStream extends SecretStream implements ServerCallHandler<DiscoveryRequest> {
  onMessage(request: DiscoveryRequest): void {
    const { resource_names: names = [], response_nonce: nonce = '', error_detail: error } = request;
    if (!this.isOurs(request.type_url)) return;
    // An answer to what is no longer the last response says nothing any more.
    if (nonce !== '' && nonce !== this.nonce) return;
    if (error !== undefined) this.refused(error.message);
    const wanted = new Set(names);
    for (const name of [...this.wanted.keys()]) if (!wanted.has(name)) this.remove(name);
    for (const name of wanted) if (!this.wanted.has(name)) this.add(name);
    this.push();
  }

  protected push(): void {
    const due = this.due();
    if (due.length === 0) return;
    this.call.send({
      version_info: versionOf(due),
      type_url: TYPE_URL,
      nonce: this.nextNonce(),
      resources: due.map(anyOf),
    } satisfies DiscoveryResponse);
  }
}

class DeltaStream extends SecretStream implements ServerCallHandler<DeltaDiscoveryRequest> {
  onMessage(request: DeltaDiscoveryRequest): void {
    const { resource_names_subscribe: more = [], resource_names_unsubscribe: less = [] } = request;
    if (!this.isOurs(request.type_url)) return;
    if (request.error_detail !== undefined) this.refused(request.error_detail.message);
    for (const [name, version] of Object.entries(request.initial_resource_versions ?? {})) this.add(name, version);
    for (const name of more) this.add(name, request.initial_resource_versions?.[name] ?? '');
    for (const name of less) this.remove(name);
    this.push();
  }

  protected push(): void {
    const due = this.due();
    if (due.length === 0) return;
    this.call.send({
      system_version_info: versionOf(due),
      type_url: TYPE_URL,
      nonce: this.nextNonce(),
      resources: due.map((secret) => ({ name: secret.name, version: secret.version, resource: anyOf(secret) })),
    } satisfies DeltaDiscoveryResponse);
  }
}

function anyOf({ body }: EncodedSecret): { readonly type_url: string; readonly value: Uint8Array } {
  return { type_url: TYPE_URL, value: body };
}

function versionOf(secrets: readonly EncodedSecret[]): string {
  return secrets.map(({ version }) => version).join('-');
}
