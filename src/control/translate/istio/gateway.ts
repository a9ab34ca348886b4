// Istio's Gateway → what a gateway listens on, for which hosts, with which certificates.
import type { Gateway, GatewayServer, ServerTls } from '../../model/gateway.ts';
import type { ConfigObject } from '../../source/object.ts';

type Json = Readonly<Record<string, unknown>>;

/** `isScoped`: a Gateway selects only proxies of its own namespace (PILOT_SCOPE_GATEWAY_TO_NAMESPACE). */
export function translateGateway(object: ConfigObject, originKey: string, isScoped = false): Gateway {
  const { namespace, name, spec } = object;
  return {
    key: `${namespace}/${name}`,
    namespace,
    name,
    origin: originKey,
    creationMs: object.creationMs,
    selector: (spec['selector'] as Record<string, string> | undefined) ?? {},
    selectorNamespace: isScoped ? namespace : '',
    services: [],
    servers: ((spec['servers'] as Json[] | undefined) ?? []).map((server) => serverOf(server, namespace)),
  };
}

function serverOf(server: Json, namespace: string): GatewayServer {
  const port = (server['port'] as Json | undefined) ?? {};
  const number = Number(port['number'] ?? 0);
  return {
    name: textOf(server, 'name'),
    port: { number, protocol: textOf(port, 'protocol').toUpperCase(), name: textOf(port, 'name') },
    targetPort: 0,
    bind: textOf(server, 'bind'),
    hosts: textsOf(server, 'hosts').map((host) => hostOf(host, namespace)),
    tls: server['tls'] === undefined ? null : serverTls(server['tls'] as Json),
    attached: null,
  };
}

/** 'bookinfo.example.com', './x', '*' + '/x', 'prod/*.example.com': whose routes may join, and for what host. */
function hostOf(text: string, namespace: string): GatewayServer['hosts'][number] {
  const slash = text.indexOf('/');
  const part = slash < 0 ? '*' : text.slice(0, slash);
  return { namespace: part === '.' ? namespace : part, host: text.slice(slash + 1).toLowerCase() };
}

export function serverTls(tls: Json): ServerTls {
  const names = textsOf(tls, 'credentialNames');
  const name = textOf(tls, 'credentialName');
  const certificates = (tls['tlsCertificates'] as Json[] | undefined)?.[0] ?? {};
  return {
    mode: (textOf(tls, 'mode') || 'PASSTHROUGH') as ServerTls['mode'],
    credentials: (names.length > 0 ? names : name === '' ? [] : [name]).map(credentialOf),
    serverCertificate: textOf(tls, 'serverCertificate') || textOf(certificates, 'serverCertificate'),
    privateKey: textOf(tls, 'privateKey') || textOf(certificates, 'privateKey'),
    caCertificates: textOf(tls, 'caCertificates') || textOf(certificates, 'caCertificates'),
    caCredential: textOf(tls, 'caCertCredentialName'),
    subjectAltNames: textsOf(tls, 'subjectAltNames'),
    verifyCertificateSpki: textsOf(tls, 'verifyCertificateSpki'),
    verifyCertificateHash: textsOf(tls, 'verifyCertificateHash'),
    minProtocolVersion: textOf(tls, 'minProtocolVersion'),
    maxProtocolVersion: textOf(tls, 'maxProtocolVersion'),
    cipherSuites: textsOf(tls, 'cipherSuites'),
    httpsRedirect: tls['httpsRedirect'] === true,
  };
}

/** A Secret's name becomes the name under which SDS serves it. */
function credentialOf(name: string): string {
  return name.includes('://') ? name : `kubernetes://${name}`;
}

function textOf(object: Json, field: string): string {
  const value = object[field];
  return typeof value === 'string' ? value : '';
}

function textsOf(object: Json, field: string): readonly string[] {
  return (object[field] as readonly string[] | undefined) ?? [];
}
