// Names of identities: 'spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/ACCOUNT', as Istio writes them into certificates.

/** An account of a namespace, in a trust domain. */
export type SpiffeAccount = {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly account: string;
};

const SCHEME = 'spiffe://';
/** SPIFFE-ID §2: no longer than this. */
const MAX_ID_BYTES = 2048;
/** SPIFFE-ID §2.1, of at most 255 bytes; capitals are other names, and refused. */
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
/** SPIFFE-ID §2.2, without the dots that are segments of their own. */
const SEGMENT = /^(?!\.\.?$)[A-Za-z0-9._-]+$/;
/** DNS labels and names, as Kubernetes has them for namespaces and service accounts. */
const NAMESPACE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const ACCOUNT = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

export function isTrustDomain(text: string): boolean {
  return TRUST_DOMAIN.test(text);
}

export function isNamespaceName(text: string): boolean {
  return NAMESPACE.test(text);
}

export function isAccountName(text: string): boolean {
  return ACCOUNT.test(text);
}

/** Whether the text is a SPIFFE ID at all, of whatever path; a trust domain alone is one. */
export function isSpiffeId(text: string): boolean {
  if (!text.startsWith(SCHEME) || text.length > MAX_ID_BYTES) return false;
  const [domain = '', ...segments] = text.slice(SCHEME.length).split('/');
  return isTrustDomain(domain) && segments.every((segment) => SEGMENT.test(segment));
}

export function spiffeId({ trustDomain, namespace, account }: SpiffeAccount): string {
  return `${SCHEME}${trustDomain}/ns/${namespace}/sa/${account}`;
}

/** Null for everything that is not exactly an account's name. */
export function parseSpiffeId(text: string): SpiffeAccount | null {
  if (!text.startsWith(SCHEME) || text.length > MAX_ID_BYTES) return null;
  const [trustDomain = '', ns, namespace = '', sa, account = '', ...rest] = text.slice(SCHEME.length).split('/');
  if (ns !== 'ns' || sa !== 'sa' || rest.length > 0) return null;
  if (!isTrustDomain(trustDomain) || !isNamespaceName(namespace) || !isAccountName(account)) return null;
  return { trustDomain, namespace, account };
}
