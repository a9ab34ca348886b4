// Finds secrets for TLS contexts: those written in place, static ones, and files that may change.
import { whenAll } from '../../base/when-all.ts';
import type { Holders } from '../xds/holders.ts';
import type { ConfigPlace } from '../xds/place.ts';
import { fingerprintOf } from './decode-certificate.ts';
import type { SecretKind, SecretValues } from './decode-secret.ts';
import { FileSecret, type FileSecretContext, type FileSecretUser } from './file-secret.ts';
import type { LiveContexts } from './live-contexts.ts';
import { ServerSecrets } from './server-secret.ts';
import type { StaticSecrets } from './static-secrets.ts';
import type {
  CertificateSecret,
  NamedSecret,
  SecretHandle,
  SecretRef,
  SecretStore,
  TicketKeysSecret,
  ValidationSecret,
} from './tls-config.ts';

export type SecretStoreContext = FileSecretContext & {
  readonly statics: StaticSecrets;
  /** Secrets that servers send; absent where there are no servers. */
  readonly holders?: Holders<NamedSecret>;
};

/** The secrets of a worker: who asks for the same file twice is served by one watch. */
export class Secrets implements SecretStore {
  readonly #context: SecretStoreContext;
  readonly #files = new Map<string, FileSecret<SecretKind>>();
  readonly #fromServers: ServerSecrets | null;
  readonly live: LiveContexts = new Map();

  constructor(context: SecretStoreContext) {
    this.#context = context;
    this.#fromServers = context.holders === undefined ? null : new ServerSecrets(context, context.holders);
  }

  certificate(ref: SecretRef<CertificateSecret>): SecretHandle<CertificateSecret> {
    return this.#handle('certificate', ref);
  }

  validation(ref: SecretRef<ValidationSecret>): SecretHandle<ValidationSecret> {
    return this.#handle('validation', ref);
  }

  ticketKeys(ref: SecretRef<TicketKeysSecret>): SecretHandle<TicketKeysSecret> {
    return this.#handle('ticketKeys', ref);
  }

  #fromServer<K extends SecretKind>(
    kind: K,
    name: string,
    place: ConfigPlace,
    check: (value: SecretValues[K]) => string | null,
  ): SecretHandle<SecretValues[K]> {
    const { holders } = this.#context;
    if (holders === undefined || this.#fromServers === null) {
      throw new Error(`secret '${name}': there is nobody to ask`);
    }
    return this.#fromServers.handle(kind, holders.use(name, place, `sds.${name}.`), check);
  }

  #handle<K extends SecretKind>(kind: K, ref: SecretRef<SecretValues[K]>): SecretHandle<SecretValues[K]> {
    if (ref.kind === 'inline') return new FixedHandle(ref.value);
    if (ref.source.kind === 'static') return new FixedHandle(this.#context.statics.get(kind, ref.name));
    if (ref.source.kind === 'server') return this.#fromServer(kind, ref.name, ref.source.place, ref.check ?? fits);
    const { path, watchedDirectory } = ref.source;
    const key = JSON.stringify([kind, ref.name, path, watchedDirectory]);
    let file = this.#files.get(key) as FileSecret<K> | undefined;
    if (file === undefined) {
      file = new FileSecret(kind, ref.name, ref.source, this.#context);
      this.#files.set(key, file as never);
    }
    const handle: FileHandle<K> = new FileHandle(file, ref.check ?? fits, () => {
      if (file.users.size > 0) return;
      this.#files.delete(key);
      file.close();
    });
    if (handle.refusal !== null) this.#context.warn(`secret '${ref.name}' of ${path}: ${handle.refusal}`);
    return handle;
  }
}

const fits = (): null => null;

/** A value that stays. */
class FixedHandle<T> implements SecretHandle<T> {
  readonly current: T | null;

  constructor(value: T | null) {
    this.current = value;
  }

  onChange(): void {}
  release(): void {}
}

class FileHandle<K extends SecretKind> implements SecretHandle<SecretValues[K]>, FileSecretUser<SecretValues[K]> {
  readonly check: (value: SecretValues[K]) => string | null;
  /** Why what was there already will not do for this user; it waits for the next. */
  readonly refusal: string | null;
  readonly #file: FileSecret<K>;
  readonly #onRelease: () => void;
  #current: SecretValues[K] | null = null;
  #listeners: (() => void)[] = [];

  constructor(file: FileSecret<K>, check: (value: SecretValues[K]) => string | null, onRelease: () => void) {
    this.#file = file;
    this.check = check;
    this.#onRelease = onRelease;
    this.refusal = file.current === null ? null : check(file.current);
    if (this.refusal === null) this.#current = file.current;
    file.users.add(this);
  }

  get current(): SecretValues[K] | null {
    return this.#current;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  changed(): void {
    this.#current = this.#file.current;
    for (const listener of this.#listeners) listener();
  }

  release(): void {
    this.#listeners = [];
    if (this.#file.users.delete(this)) this.#onRelease();
  }
}

/**
 * Protobuf's MergeFrom of `secret` into the default: single values of the secret replace, lists append. Null for a
 * secret that is not there yet.
 */
export function mergeValidation(
  base: ValidationSecret | null,
  secret: ValidationSecret | null,
): ValidationSecret | null {
  if (secret === null || base === null) return secret;
  return { ...mergeParts(base, secret), fingerprint: fingerprintOf([base.fingerprint, secret.fingerprint]) };
}

/** Without the fingerprint, which costs the most. */
export function mergeParts(base: ValidationSecret, secret: ValidationSecret): Omit<ValidationSecret, 'fingerprint'> {
  return {
    trustedCa: secret.trustedCa ?? base.trustedCa,
    trustedCaName: (secret.trustedCa === null ? base : secret).trustedCaName ?? '',
    crl: secret.crl ?? base.crl,
    isCrlForLeafOnly: secret.isCrlForLeafOnly || base.isCrlForLeafOnly,
    allowsExpired: secret.allowsExpired || base.allowsExpired,
    sanMatchers: [...base.sanMatchers, ...secret.sanMatchers],
    certificateHashes: [...base.certificateHashes, ...secret.certificateHashes],
    spkiHashes: [...base.spkiHashes, ...secret.spkiHashes],
    acceptsUntrusted: secret.acceptsUntrusted || base.acceptsUntrusted,
    maxVerifyDepth: secret.maxVerifyDepth ?? base.maxVerifyDepth,
    spiffeTrustDomains: secret.spiffeTrustDomains ?? base.spiffeTrustDomains,
  };
}

type AnyRef = { readonly kind: string; readonly source?: { readonly kind: string } };

/** How many secrets from elsewhere were there with the first fetch: Envoy counts each as an update of the context. */
export function countFetched(refs: readonly AnyRef[], handles: readonly SecretHandle<unknown>[]): number {
  const isFetched = ({ kind, source }: AnyRef): boolean => kind === 'sds' && source?.kind !== 'static';
  return refs.filter((ref, i) => isFetched(ref) && handles[i]?.current !== null).length;
}

/** Calls back once, perhaps now: the first fetch of each secret is over, well or badly. */
export function whenFetched(handles: readonly SecretHandle<unknown>[], settled: () => void): void {
  const missing = handles.filter(({ current }) => current === null);
  whenAll(
    missing,
    (handle, called) => (handle.whenSettled === undefined ? called() : handle.whenSettled(called)),
    settled,
  );
}
