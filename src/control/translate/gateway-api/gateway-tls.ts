// TLS of a listener: certificates that it may name, and who must show one.
import type { ServerTls } from '../../model/gateway.ts';
import type { ClientValidation, GatewaySpec, ListenerSpec, ObjectRef } from './gateway-spec.ts';

/** What objects of one kind and namespace may name. */
export type NamingContext = {
  readonly namespace: string;
  /** Whether another namespace lets them name its Secret or ConfigMap. */
  readonly isGranted: (kind: string, namespace: string, name: string) => boolean;
  /** Why the Secret is no certificate, null where it is one; never asked without a grant. */
  readonly whyNoCertificate: (namespace: string, name: string) => string | null;
  /** Why it holds no roots. */
  readonly whyNoRoots: (kind: string, namespace: string, name: string) => string | null;
};

/** Of the object that has the listener. */
export type TlsContext = NamingContext & {
  /** Of the mesh's own traffic from other networks, passed on by the name in the handshake. */
  readonly isAutoPassthrough: boolean;
  /** What the Gateway asks of those who call the port. */
  readonly clients: ClientRoots;
};

/** `problems`: certificates that cannot be used; with none at all the listener is not programmed (`tls` null). */
export type MadeTls = { readonly tls: ServerTls | null; readonly problems: readonly TlsProblem[] };
export type TlsProblem = { readonly field: string; readonly message: string };

const PLAIN: ServerTls = {
  ...{ mode: 'SIMPLE', credentials: [], serverCertificate: '', privateKey: '', caCertificates: '', caCredential: '' },
  ...{ subjectAltNames: [], verifyCertificateSpki: [], verifyCertificateHash: [] },
  ...{ minProtocolVersion: '', maxProtocolVersion: '', cipherSuites: [], httpsRedirect: false },
};

const MODE_OPTION = 'gateway.istio.io/tls-terminate-mode';
const CIPHERS_OPTION = 'gateway.istio.io/tls-cipher-suites';
/** Istio's limit: one for each kind of key. */
const MAX_CERTIFICATES = 2;

export function listenerTls({ tls = {} }: ListenerSpec, context: TlsContext): MadeTls {
  if (tls.mode === 'Passthrough') {
    const mode = context.isAutoPassthrough ? 'AUTO_PASSTHROUGH' : 'PASSTHROUGH';
    return { tls: { ...PLAIN, mode }, problems: [] };
  }
  const option = tls.options?.[MODE_OPTION];
  const cipherSuites = (tls.options?.[CIPHERS_OPTION] ?? '').split(',').flatMap((name) => name.trim() || []);
  const base: ServerTls = { ...PLAIN, cipherSuites };
  if (option === 'ISTIO_MUTUAL') return { tls: { ...base, mode: 'ISTIO_MUTUAL' }, problems: [] };
  const checked = context.clients;
  const mode = option === 'MUTUAL' || option === 'OPTIONAL_MUTUAL' ? option : checked.mode;
  const end: ServerTls = { ...base, mode, caCredential: checked.credential };
  // Callers who cannot be checked are not let in unchecked.
  if (checked.problem !== null) return { tls: null, problems: [checked.problem] };
  if (option === 'ISTIO_SIMPLE') return { tls: { ...end, credentials: ['builtin://'] }, problems: [] };
  const refs = tls.certificateRefs ?? [];
  if (refs.length === 0 || refs.length > MAX_CERTIFICATES) {
    const message = `InvalidTLS: ${refs.length} certificates are named, and 1 or ${MAX_CERTIFICATES} can be`;
    return { tls: null, problems: [{ field: 'tls.certificateRefs', message }] };
  }
  const problems: TlsProblem[] = [];
  const credentials = refs.flatMap((ref, index) => {
    const message = whyNoCertificate(ref, context);
    if (message === null) return [`kubernetes-gateway://${ref.namespace ?? context.namespace}/${ref.name}`];
    problems.push({ field: `tls.certificateRefs[${index}]`, message });
    return [];
  });
  return { tls: credentials.length === 0 ? null : { ...end, credentials }, problems };
}

function whyNoCertificate(ref: ObjectRef, context: TlsContext): string | null {
  const { group = '', kind = 'Secret', namespace = context.namespace, name = '' } = ref;
  if (group !== '' || kind !== 'Secret') return `InvalidCertificateRef: a ${kind} is no certificate, only a Secret is`;
  if (!mayName('Secret', namespace, name, context)) return notPermitted('Secret', namespace, name, context);
  const reason = context.whyNoCertificate(namespace, name);
  return reason === null ? null : `InvalidCertificateRef: ${reason}`;
}

export type ClientRoots = {
  readonly mode: 'SIMPLE' | 'MUTUAL' | 'OPTIONAL_MUTUAL';
  readonly credential: string;
  readonly problem: TlsProblem | null;
};

/** `context`: of the Gateway, also for listeners that sets add to it: one connection can carry requests for all. */
export function clientRoots(spec: GatewaySpec, port: number, context: NamingContext): ClientRoots {
  const validation = validationOf(spec, port);
  const refs = validation?.caCertificateRefs ?? [];
  const [ref] = refs;
  if (ref === undefined) return { mode: 'SIMPLE', credential: '', problem: null };
  const { group = '', kind = 'ConfigMap', namespace = context.namespace, name = '' } = ref;
  const isSecret = kind === 'Secret';
  const mode = validation?.mode === 'AllowInsecureFallback' ? 'OPTIONAL_MUTUAL' : 'MUTUAL';
  const credential = isSecret ? `kubernetes-gateway://${namespace}/${name}-cacert` : `configmap://${namespace}/${name}`;
  const fail = (message: string): ClientRoots => ({ mode, credential, problem: { field: 'tls', message } });
  if (refs.length > 1) return fail('InvalidCACertificateRef: only one reference to authorities is possible');
  if (group !== '' || (!isSecret && kind !== 'ConfigMap')) {
    return fail(`InvalidCACertificateKind: a ${kind} holds no authorities, only a ConfigMap or a Secret does`);
  }
  if (!mayName(kind, namespace, name, context)) return fail(notPermitted(kind, namespace, name, context));
  const reason = context.whyNoRoots(kind, namespace, name);
  return reason === null ? { mode, credential, problem: null } : fail(`InvalidCACertificateRef: ${reason}`);
}

function mayName(kind: string, namespace: string, name: string, context: NamingContext): boolean {
  return namespace === context.namespace || context.isGranted(kind, namespace, name);
}

function notPermitted(kind: string, namespace: string, name: string, context: NamingContext): string {
  return `RefNotPermitted: no ReferenceGrant of ${namespace} lets ${context.namespace} name its ${kind} ${name}`;
}

/** What is said of the port goes before what is said of all. */
function validationOf({ tls }: GatewaySpec, port: number): ClientValidation | null {
  const frontend = tls?.frontend;
  const own = frontend?.perPort?.find((one) => one.port === port);
  return (own === undefined ? frontend?.default?.validation : own.tls?.validation) ?? null;
}
