// Secrets by name, for a proxy that is its own agent or has one: the workload's certificate and roots, and files.
import type { CertificateClient } from './certificate-client.ts';
import { certificateSecret, type EncodedSecret, rootsSecret } from './encoded-secret.ts';
import { rootsOfProxyConfig } from './trust-bundle.ts';
import { FileSecret, type FileSecretParts, type SecretPaths } from './file-secret.ts';

/** Istio's names. */
export const CERTIFICATE_NAME = 'default';
export const ROOTS_NAME = 'ROOTCA';
const FILE_CERTIFICATE = 'file-cert:';
const FILE_ROOTS = 'file-root:';
/** Source: istio security.FileRootSystemCACert. */
const SYSTEM_ROOTS_NAME = 'file-root:system';

/** Secrets in files at a time; names beyond that are answered with nothing. */
const MAX_FILE_SECRETS = 1000;

export type SecretSubscription = {
  /** Null: there is none (yet). */
  readonly current: EncodedSecret | null;
  close(): void;
};

export type FileSecretsParts = FileSecretParts & {
  /** Of SDS's 'file-root:system'. */
  readonly systemRootsPath: string;
  /** Where the workload's certificate lies in files that others write; null: the client has it. */
  readonly mounted: { readonly chain: string; readonly key: string; readonly roots: string } | null;
};

export type SecretStoreParts = {
  readonly client: CertificateClient;
  /** Null: names of files are somebody else's. */
  readonly files: FileSecretsParts | null;
};

type Shared = { readonly secret: FileSecret; users: number };

export class SecretStore {
  readonly #parts: SecretStoreParts;
  readonly #files = new Map<string, Shared>();

  constructor(parts: SecretStoreParts) {
    this.#parts = parts;
  }

  /** Whether the name is one of those that are answered here, be there anything or not. */
  has(name: string): boolean {
    return name === CERTIFICATE_NAME || name === ROOTS_NAME || this.#pathsOf(name) !== null;
  }

  /** The mesh's roots as a control plane tells them; a text says why they are refused. */
  takeProxyConfig(bytes: Uint8Array): string | null {
    const roots = rootsOfProxyConfig(bytes);
    if (typeof roots === 'string') return roots;
    this.#parts.client.setTrustBundle(roots);
    return null;
  }

  /** `onChange` is called when there is another one, in a turn. */
  subscribe(name: string, onChange: () => void): SecretSubscription {
    const { client, files } = this.#parts;
    const paths = this.#pathsOf(name);
    if (paths !== null && files !== null) return this.#file(name, paths, files, onChange);
    if (name !== CERTIFICATE_NAME && name !== ROOTS_NAME) return NOTHING;
    client.start();
    client.onChange(onChange);
    return new OwnSubscription(name, client, onChange);
  }

  close(): void {
    for (const { secret } of this.#files.values()) secret.close();
    this.#files.clear();
  }

  /** The files of a secret that is one of files. */
  #pathsOf(name: string): SecretPaths | null {
    if (this.#parts.files === null) return null;
    const { mounted, systemRootsPath } = this.#parts.files;
    if (mounted !== null && name === CERTIFICATE_NAME) return { chain: mounted.chain, key: mounted.key };
    if (mounted !== null && name === ROOTS_NAME) return { roots: mounted.roots };
    if (name === SYSTEM_ROOTS_NAME) return { roots: systemRootsPath };
    if (name.startsWith(FILE_ROOTS)) return { roots: name.slice(FILE_ROOTS.length) };
    if (!name.startsWith(FILE_CERTIFICATE)) return null;
    const [chain = '', key = '', ...more] = name.slice(FILE_CERTIFICATE.length).split('~');
    return chain === '' || key === '' || more.length > 0 ? null : { chain, key };
  }

  #file(name: string, paths: SecretPaths, parts: FileSecretsParts, onChange: () => void): SecretSubscription {
    let shared = this.#files.get(name);
    if (shared === undefined) {
      if (this.#files.size >= MAX_FILE_SECRETS) return NOTHING;
      shared = { secret: new FileSecret(name, paths, parts), users: 0 };
      this.#files.set(name, shared);
    }
    const { secret } = shared;
    shared.users++;
    secret.listeners.add(onChange);
    return {
      get current() {
        return secret.current;
      },
      close: () => {
        if (!secret.listeners.delete(onChange) || --shared.users > 0) return;
        secret.close();
        this.#files.delete(name);
      },
    };
  }
}

const NOTHING: SecretSubscription = Object.freeze({ current: null, close: () => {} });

class OwnSubscription implements SecretSubscription {
  readonly #name: string;
  readonly #client: CertificateClient;
  readonly #onChange: () => void;

  constructor(name: string, client: CertificateClient, onChange: () => void) {
    this.#name = name;
    this.#client = client;
    this.#onChange = onChange;
  }

  get current(): EncodedSecret | null {
    const { current } = this.#client;
    if (current === null) return null;
    return this.#name === ROOTS_NAME
      ? rootsSecret(this.#name, current.roots)
      : certificateSecret(this.#name, current.chain, current.key);
  }

  close(): void {
    this.#client.removeListener(this.#onChange);
  }
}
