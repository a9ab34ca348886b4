// Gives gateways their own credentials: who may have which Secret, and the SDS message that is made of it.
import type { Identity } from '../../ca/authenticate/authenticator.ts';
import type { Secret as SecretMessage } from '../../proto/generated/types.d.ts';
import { type CredentialName, parseCredentialName } from './credential-name.ts';
import { readKeyPair, readRoots, type SecretObject, withoutCaSuffix } from './secret-content.ts';

export type CredentialSource = {
  /** Undefined where there is none. */
  object(kind: 'Secret' | 'ConfigMap', namespace: string, name: string): SecretObject | undefined;
  /** Whether a ReferenceGrant of `toNamespace` lets Gateways of `fromNamespace` have the Secret. */
  isGranted(fromNamespace: string, toNamespace: string, secretName: string): boolean;
  /** Whether the account may be a gateway at all; null: yes, else why not (see src/ca/node-claims.ts). */
  mayHaveKeys(identity: Identity): string | null;
};

export type Credential =
  /** The message holds a key: it goes to the proxy that asked, and into nothing that is dumped. */
  | { readonly message: SecretMessage; readonly isPrivate: boolean; readonly from: readonly string[] }
  /** Why there is nothing; `from` are the objects that it depends on all the same, 'KIND/NAMESPACE/NAME'. */
  | { readonly reason: string; readonly from: readonly string[] };

/**
 * The credential of that name for a proxy. `identity` null: its stream proved none, and it gets nothing.
 *
 *   kubernetes          own namespace only; its keys only for gateways, its roots for everybody there
 *   kubernetes-gateway  own namespace, or one whose ReferenceGrant opens it; only for gateways
 *   configmap           everybody: roots are public
 */
export function findCredential(source: CredentialSource, identity: Identity | null, resourceName: string): Credential {
  if (identity === null) return refusal('the proxy proved no identity: it must connect over TLS', []);
  const wanted = parseCredentialName(resourceName, identity.namespace);
  if (typeof wanted === 'string') return refusal(wanted, []);
  const reason = refusalOf(source, identity, wanted);
  if (reason !== null)
    return refusal(`${identity.namespace}/${identity.account} may not have ${resourceName}: ${reason}`, []);
  return wanted.isCaOnly ? rootsOf(source, wanted) : keyPairOf(source, wanted);
}

function refusalOf(source: CredentialSource, identity: Identity, wanted: CredentialName): string | null {
  const { kind, namespace, name, isCaOnly } = wanted;
  if (kind === 'configmap') return null;
  if (namespace !== identity.namespace) {
    if (kind === 'kubernetes') return 'it is of another namespace';
    if (!source.isGranted(identity.namespace, namespace, withoutCaSuffix(name))) {
      return 'a cross namespace secret reference requires a ReferenceGrant';
    }
  }
  return kind === 'kubernetes' && isCaOnly ? null : source.mayHaveKeys(identity);
}

function keyPairOf(source: CredentialSource, { namespace, name, resourceName }: CredentialName): Credential {
  const from = [`Secret/${namespace}/${name}`];
  const object = source.object('Secret', namespace, name);
  if (object === undefined) return refusal(`secret ${namespace}/${name} not found`, from);
  const pair = readKeyPair(object);
  if (typeof pair === 'string') return refusal(pair, from);
  const message: SecretMessage = {
    name: resourceName,
    tls_certificate: {
      certificate_chain: { inline_bytes: pair.chain },
      private_key: { inline_bytes: pair.key.reveal() },
      ...(pair.staple === null ? {} : { ocsp_staple: { inline_bytes: pair.staple } }),
    },
  };
  return { message, isPrivate: true, from };
}

function rootsOf(source: CredentialSource, { kind, namespace, name, resourceName }: CredentialName): Credential {
  const objectKind = kind === 'configmap' ? 'ConfigMap' : 'Secret';
  // The roots may lie in the Secret of the certificate itself.
  const names = [...new Set(kind === 'configmap' ? [name] : [name, withoutCaSuffix(name)])];
  const from = names.map((one) => `${objectKind}/${namespace}/${one}`);
  let object: SecretObject | undefined;
  for (const one of names) object ??= source.object(objectKind, namespace, one);
  if (object === undefined) return refusal(`${objectKind.toLowerCase()} ${namespace}/${names.at(-1)} not found`, from);
  const found = readRoots(object);
  if (typeof found === 'string') return refusal(found, from);
  const message: SecretMessage = {
    name: resourceName,
    validation_context: {
      trusted_ca: { inline_bytes: found.roots },
      ...(found.revoked === null ? {} : { crl: { inline_bytes: found.revoked } }),
    },
  };
  return { message, isPrivate: false, from };
}

function refusal(reason: string, from: readonly string[]): Credential {
  return { reason, from };
}
