// Objects of the Gateway API that change each other's effect, in several versions each.

const API = 'apiVersion: gateway.networking.k8s.io/v1\n';
const NAMESPACES = (labels: string): string =>
  `apiVersion: v1\nkind: Namespace\nmetadata: {name: two, labels: {${labels}}}\n`;
const ALL = 'allowedRoutes: {namespaces: {from: All}}';
const SELECTED = 'allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: x}}}}';

export const GATEWAY_POOL: Readonly<Record<string, readonly string[]>> = {
  'k-class.yaml': [
    `${API}kind: GatewayClass\nmetadata: {name: mine}\nspec: {controllerName: heddle.dev/gateway-controller}\n`,
  ],
  'k-namespace.yaml': [NAMESPACES('team: x'), NAMESPACES('team: other')],
  'k-gateway.yaml': [
    gateway('mine', [`{name: web, port: 8080, protocol: HTTP, ${ALL}}`]),
    gateway('istio', [
      `{name: web, port: 8080, protocol: HTTP, hostname: "*.com", ${SELECTED}}`,
      `{name: tcp, port: 9000, protocol: TCP, allowedRoutes: {namespaces: {from: Same}}}`,
    ]),
    gateway('istio', [
      `{name: web, port: 80, protocol: HTTP, ${ALL}}`,
      `{name: tls, port: 443, protocol: TLS, hostname: a.com, tls: {mode: Passthrough}, ${ALL}}`,
    ]),
  ],
  'k-set.yaml': [set(8080, 'HTTP', 'a.com'), set(8081, 'HTTP', ''), set(80, 'TCP', '')],
  'k-web.yaml': [
    route('HTTPRoute', 'two', '{name: k, namespace: one}', 'hostnames: [a.com, b.com], ', 'b'),
    route('HTTPRoute', 'one', '{name: k, sectionName: web}', '', 'a'),
    route('HTTPRoute', 'two', '{kind: ListenerSet, name: k}', 'hostnames: [a.com], ', 'b'),
    route('HTTPRoute', 'one', '{group: "", kind: Service, name: a}', '', 'a'),
  ],
  'k-more.yaml': [
    route('HTTPRoute', 'one', '{name: k}', 'hostnames: [b.com], ', 'a', 'more'),
    route('HTTPRoute', 'two', '{name: k, namespace: one, port: 80}', '', 'b', 'more'),
  ],
  'k-bytes.yaml': [
    route('TCPRoute', 'one', '{name: k}', '', 'a'),
    route('TLSRoute', 'two', '{name: k, namespace: one}', 'hostnames: [a.com], ', 'b'),
  ],
  'k-grant.yaml': [
    `${API}kind: ReferenceGrant\nmetadata: {name: k, namespace: two}\nspec: {from: ` +
      '[{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: one}], to: [{group: "", kind: Service}]}\n',
  ],
};

function gateway(className: string, listeners: readonly string[]): string {
  return (
    `${API}kind: Gateway\nmetadata: {name: k, namespace: one}\nspec: {gatewayClassName: ${className}, ` +
    `allowedListeners: {namespaces: {from: All}}, listeners: [${listeners.join(', ')}]}\n`
  );
}

function set(port: number, protocol: string, hostname: string): string {
  const host = hostname === '' ? '' : `, hostname: ${hostname}`;
  return (
    `${API}kind: ListenerSet\nmetadata: {name: k, namespace: two}\nspec: {parentRef: {name: k, namespace: one}, ` +
    `listeners: [{name: own, port: ${port}, protocol: ${protocol}${host}}]}\n`
  );
}

function route(
  kind: string,
  namespace: string,
  parent: string,
  hosts: string,
  backend: string,
  name = kind.slice(0, 3).toLowerCase(),
): string {
  return (
    `${API}kind: ${kind}\nmetadata: {name: ${name}, namespace: ${namespace}}\n` +
    `spec: {parentRefs: [${parent}], ${hosts}` +
    `rules: [{backendRefs: [{name: ${backend}, port: 80}, {name: b, namespace: two, port: 80}]}]}\n`
  );
}
