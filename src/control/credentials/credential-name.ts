// Names of gateways' credentials as SDS resources, letter for letter as istiod has them.
//
//   kubernetes://NAME, kubernetes://NS/NAME     a Secret of the proxy's own namespace; NAME-cacert: its CA alone
//   kubernetes-gateway://NS/NAME                 a Secret that the Gateway API's grants may open to others
//   configmap://NS/NAME                          roots in a ConfigMap, which are public
//   builtin://                                   the proxy's own certificate of the mesh: resource 'default'
// Source: Istio pilot/pkg/model/credentials/resource.go.

export type CredentialKind = 'kubernetes' | 'kubernetes-gateway' | 'configmap';

export type CredentialName = {
  readonly kind: CredentialKind;
  readonly namespace: string;
  /** As it was asked for: with '-cacert', if so. */
  readonly name: string;
  /** Whether only roots are asked for, which are no secret. */
  readonly isCaOnly: boolean;
  readonly resourceName: string;
};

export const CA_SUFFIX = '-cacert';
const KINDS = ['kubernetes', 'kubernetes-gateway', 'configmap'] as const;
const BUILTIN = 'builtin://';
const MAX_NAME_CHARS = 1024;
/** Names of Kubernetes: DNS subdomains. A slash more is another name. */
const NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/** A text says what is wrong with it. `ownNamespace` is that of the proxy which asks. */
export function parseCredentialName(resourceName: string, ownNamespace: string): CredentialName | string {
  const shown = JSON.stringify(resourceName.slice(0, MAX_NAME_CHARS));
  const kind = KINDS.find((one) => resourceName.startsWith(`${one}://`));
  if (kind === undefined || resourceName.length > MAX_NAME_CHARS) return `unknown resource type: ${shown}`;
  const [first = '', second, ...rest] = resourceName.slice(kind.length + '://'.length).split('/');
  const [namespace, name] = second === undefined ? ['', first] : [first, second];
  if (kind !== 'kubernetes' && second === undefined)
    return `invalid resource name ${shown}. Expected namespace and name`;
  if (rest.length > 0) return `invalid resource name ${shown}. Expected no further parts`;
  if (second !== undefined && !NAME.test(namespace)) return `invalid resource name ${shown}. Expected namespace`;
  if (!NAME.test(name)) return `invalid resource name ${shown}. Expected name`;
  const isCaOnly = kind === 'configmap' || name.endsWith(CA_SUFFIX);
  return { kind, namespace: namespace || ownNamespace, name, isCaOnly, resourceName };
}

/** The resource of a `credentialName` of Istio's API. */
export function credentialResource(credentialName: string): string {
  if (credentialName.startsWith(BUILTIN)) return 'default';
  if (KINDS.some((kind) => credentialName.startsWith(`${kind}://`))) return credentialName;
  return `kubernetes://${credentialName}`;
}

/** The resource of a certificate reference of the Gateway API. */
export function gatewayCredentialResource(namespace: string, name: string): string {
  return name.startsWith(BUILTIN) ? BUILTIN : `kubernetes-gateway://${namespace}/${name}`;
}
