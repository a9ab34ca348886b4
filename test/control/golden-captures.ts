// The captures whose resources ours must equal.

export const GOLDEN: readonly string[] = [
  ...['01-plain-sidecar/client', '01-plain-sidecar/server', '02-dns-capture/client', '03-vs-split-8020/client'],
  ...['04-vs-match-rewrite-redirect/client', '07-dr-tls-modes/client', '08-gateway-http/client'],
  ...['08-gateway-http/gateway', '09-gateway-https-sds/gateway', '11-egress-gateway/client'],
  ...['11-egress-gateway/gateway', '12-sidecar-scoping/other', '12-sidecar-scoping/server'],
  ...['13-authz-allow-deny/server', '13-authz-allow-deny/tcpserver', '17-peerauth-strict/client'],
  ...['17-peerauth-strict/server', '18-peerauth-portlevel/client', '18-peerauth-portlevel/server'],
  ...['24-serviceentry-external/client', '25-workloadentry-locality/client', '34-gateway-api/gateway'],
  ...['40-stock-envoy-flags/client', '40-stock-envoy-flags/gateway', '40-stock-envoy-flags/server'],
];
