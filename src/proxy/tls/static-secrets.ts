// Secrets of static_resources, by name and kind; read when somebody asks for one, as Envoy does.
import type { Secret } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { decodeSecret, SECRET_KIND_NAMES, secretKind, type SecretKind, type SecretValues } from './decode-secret.ts';

/** A kind has names of its own: a certificate and a validation context may share one. */
export class StaticSecrets {
  readonly #secrets = new Map<string, { readonly message: Secret; readonly at: ConfigDecoder }>();
  readonly #values = new Map<string, unknown>();

  /** Notes a secret of the bootstrap; `d` is at it. */
  add(message: Secret, d: ConfigDecoder): void {
    const kind = secretKind(message);
    if (kind === null) {
      d.reject('', 'Secret type not implemented');
      return;
    }
    const name = message.name ?? '';
    if (this.#secrets.has(`${kind} ${name}`)) {
      d.reject('name', `Duplicate static ${SECRET_KIND_NAMES[kind]} secret name ${name}`);
    }
    this.#secrets.set(`${kind} ${name}`, { message, at: d });
  }

  has(kind: SecretKind, name: string): boolean {
    return this.#secrets.has(`${kind} ${name}`);
  }

  /** Its value; null where there is none of this name, or it was rejected (at its own place, once). */
  get<K extends SecretKind>(kind: K, name: string): SecretValues[K] | null {
    const key = `${kind} ${name}`;
    const found = this.#secrets.get(key);
    if (found === undefined) return null;
    if (!this.#values.has(key)) this.#values.set(key, decodeSecret(found.message, kind, found.at));
    return this.#values.get(key) as SecretValues[K] | null;
  }
}
