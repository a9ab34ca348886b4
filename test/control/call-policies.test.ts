// What rules make of clusters and endpoints.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Called, type CallRig, callRig } from './call-rig.ts';
import { stageRig } from './stage-rig.ts';

type Json = { readonly [key: string]: unknown };

const NODES = `
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/region: r1, topology.kubernetes.io/zone: z1}}
---
apiVersion: v1
kind: Node
metadata: {name: n2, labels: {topology.kubernetes.io/region: r1, topology.kubernetes.io/zone: z2}}
---
apiVersion: v1
kind: Node
metadata: {name: n3, labels: {topology.kubernetes.io/region: r2, topology.kubernetes.io/zone: z3}}
`;

function pod(index: number, labels: string): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: web-${index}, namespace: b, labels: {app: web, security.istio.io/tlsMode: istio${labels}}}
spec: {serviceAccountName: web, nodeName: n${index}, containers: [{name: app, image: app}]}
status: {podIP: 10.1.0.${index}, podIPs: [{ip: 10.1.0.${index}}]}
`;
}

function service(spec = '', ports = '[{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 90}]'): string {
  return `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: b}
spec: {clusterIP: 10.0.0.1, selector: {app: web}, ports: ${ports}${spec}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: b, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints:
- {addresses: [10.1.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: web-1, namespace: b}}
- {addresses: [10.1.0.2], conditions: {ready: false}, targetRef: {kind: Pod, name: web-2, namespace: b}}
- addresses: [10.1.0.3]
  conditions: {ready: false, serving: true, terminating: true}
  targetRef: {kind: Pod, name: web-3, namespace: b}
- {addresses: [10.1.0.4], conditions: {ready: true}, targetRef: {kind: Pod, name: web-4, namespace: b}}
ports: [{name: http, port: 8080, protocol: TCP}, {name: tcp, port: 90, protocol: TCP}]
`;
}

const BASE = [NODES, pod(1, ', version: v1'), pod(2, ', version: v2'), pod(3, ''), pod(4, '').replace('n4', 'n3')].join(
  '\n---\n',
);
const CALLER: Called = {
  facts: { namespace: 'b', locality: { region: 'r1', zone: 'z1', subZone: '' } },
  labels: { app: 'web' },
  addresses: ['10.1.0.1'],
};
const WEB = 'outbound|80||web.b.svc.cluster.local';
const V1 = 'outbound|80|v1|web.b.svc.cluster.local';

function rule(policy: string, more = '', name = 'web'): string {
  return `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: b}
spec: {host: web, trafficPolicy: ${policy}${more}}
`;
}

function rigOf(...objects: readonly string[]): CallRig {
  const files = Object.fromEntries(objects.map((text, index) => [`${index}.yaml`, text]));
  return callRig(stageRig({ 'base.yaml': BASE, 'service.yaml': service(), ...files }));
}

function cluster(policy: string, more = '', name = WEB): Json {
  const found = rigOf(rule(policy, more)).cluster(CALLER, name);
  assert.ok(found, `there is no cluster ${name}`);
  return found;
}

function thresholds(json: Json): Json | undefined {
  return (json['circuit_breakers'] as { thresholds: Json[] }).thresholds[0];
}

function httpOptions(json: Json): Json | undefined {
  const all = json['typed_extension_protocol_options'] as Record<string, Json> | undefined;
  const { '@type': _, ...options } = all?.['envoy.extensions.upstreams.http.v3.HttpProtocolOptions'] ?? {};
  return options;
}

function socket(json: Json): Json {
  const { typed_config } = json['transport_socket'] as { typed_config: Json };
  return typed_config;
}

function commonLb(rig: CallRig): Json {
  const made = rig.cluster(CALLER, WEB) as { common_lb_config: Json };
  return made.common_lb_config;
}

test('pools', () => {
  const tcp = cluster('{connectionPool: {tcp: {maxConnections: 7, connectTimeout: 250ms, idleTimeout: 1h}}}');
  assert.equal(thresholds(tcp)?.['max_connections'], 7);
  assert.equal(tcp['connect_timeout'], '0.250s');
  assert.deepEqual(httpOptions(tcp), {
    common_http_protocol_options: { idle_timeout: '3600s' },
    explicit_http_config: { http_protocol_options: {} },
  });
  const http = cluster(
    '{connectionPool: {http: {http1MaxPendingRequests: 1, http2MaxRequests: 2, maxRetries: 3,' +
      ' maxRequestsPerConnection: 4}}}',
  );
  assert.deepEqual(thresholds(http), {
    ...{ max_connections: 4294967295, max_pending_requests: 1, max_requests: 2, max_retries: 3 },
  });
  const upgraded = cluster('{connectionPool: {http: {h2UpgradePolicy: UPGRADE, maxConcurrentStreams: 5}}}');
  assert.deepEqual(httpOptions(upgraded)?.['explicit_http_config'], {
    http2_protocol_options: { max_concurrent_streams: 5 },
  });
  const client = cluster('{connectionPool: {http: {useClientProtocol: true, h2UpgradePolicy: UPGRADE}}}');
  assert.ok(httpOptions(client)?.['use_downstream_protocol_config']);
  const alive = cluster('{connectionPool: {tcp: {tcpKeepalive: {probes: 3, time: 1m, interval: 5s}}}}');
  assert.deepEqual(alive['upstream_connection_options'], {
    tcp_keepalive: { keepalive_probes: 3, keepalive_time: 60, keepalive_interval: 5 },
  });
});

test('load balancing', () => {
  assert.equal(cluster('{loadBalancer: {simple: RANDOM}}')['lb_policy'], 'RANDOM');
  assert.equal(cluster('{loadBalancer: {simple: LEAST_CONN}}')['lb_policy'], 'LEAST_REQUEST');
  const warm = cluster('{loadBalancer: {simple: ROUND_ROBIN, warmup: {duration: 10s, aggression: 2}}}');
  assert.equal(warm['lb_policy'] ?? 'ROUND_ROBIN', 'ROUND_ROBIN');
  assert.deepEqual((warm['round_robin_lb_config'] as Json)['slow_start_config'], {
    slow_start_window: '10s',
    aggression: { default_value: 2, runtime_key: '(' },
    min_weight_percent: { value: 10 },
  });
  const ring = cluster('{loadBalancer: {consistentHash: {httpHeaderName: x}}}');
  assert.equal(ring['lb_policy'], 'RING_HASH');
  assert.deepEqual(ring['ring_hash_lb_config'], { minimum_ring_size: '1024' });
  const maglev = cluster('{loadBalancer: {consistentHash: {httpHeaderName: x, maglev: {tableSize: 101}}}}');
  assert.deepEqual(maglev['maglev_lb_config'], { table_size: '101' });
  const through = cluster('{loadBalancer: {simple: PASSTHROUGH}}');
  assert.deepEqual([through['type'], through['lb_policy']], ['ORIGINAL_DST', 'CLUSTER_PROVIDED']);
  assert.equal(through['eds_cluster_config'], undefined);
  const rig = rigOf(rule('{loadBalancer: {simple: PASSTHROUGH}}'));
  assert.equal(rig.endpoints(CALLER, WEB), undefined);
});

test('outliers', () => {
  const policy =
    '{outlierDetection: {consecutive5xxErrors: 0, consecutiveGatewayErrors: 3, interval: 5s, baseEjectionTime: 30s,' +
    ' maxEjectionPercent: 50, minHealthPercent: 20, splitExternalLocalOriginErrors: true,' +
    ' consecutiveLocalOriginFailures: 2}}';
  assert.deepEqual(cluster(policy)['outlier_detection'], {
    ...{ consecutive_5xx: 0, enforcing_consecutive_5xx: 0, enforcing_success_rate: 0 },
    ...{ consecutive_gateway_failure: 3, enforcing_consecutive_gateway_failure: 100 },
    ...{ interval: '5s', base_ejection_time: '30s', max_ejection_percent: 50 },
    split_external_local_origin_errors: true,
    ...{ consecutive_local_origin_failure: 2, enforcing_consecutive_local_origin_failure: 100 },
    enforcing_local_origin_success_rate: 0,
  });
});

test('ports take nothing from the rule, subsets do, part by part', () => {
  const policy =
    '{outlierDetection: {interval: 1s}, connectionPool: {tcp: {maxConnections: 1}},' +
    ' portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 2}}}]}';
  const onPort = cluster(policy);
  assert.equal(thresholds(onPort)?.['max_connections'], 2);
  assert.equal(onPort['outlier_detection'], undefined);
  const other = cluster(policy, '', 'outbound|90||web.b.svc.cluster.local');
  assert.equal(thresholds(other)?.['max_connections'], 1);
  assert.ok(other['outlier_detection']);
  const subset = (own: string): string => `, subsets: [{name: v1, labels: {version: v1}, trafficPolicy: ${own}}]`;
  const merged = cluster(
    '{outlierDetection: {interval: 1s}, connectionPool: {tcp: {maxConnections: 1}}}',
    subset('{connectionPool: {http: {maxRetries: 9}}}'),
    V1,
  );
  assert.ok(merged['outlier_detection']);
  assert.deepEqual([thresholds(merged)?.['max_connections'], thresholds(merged)?.['max_retries']], [4294967295, 9]);
});

test('rules for one host become one', () => {
  const second = (policy: string): string =>
    rule(policy, ', subsets: [{name: v1, labels: {version: other}}, {name: v2, labels: {version: v2}}]', 'zz');
  const first = rule('null', ', subsets: [{name: v1, labels: {version: v1}}]', 'aa');
  const rig = rigOf(first.replace('trafficPolicy: null, ', ''), second('{tls: {mode: DISABLE}}'));
  assert.equal(rig.cluster(CALLER, WEB)?.['transport_socket_matches'], undefined, 'the policy of the second');
  const found = (subset: string): unknown[] => {
    const { endpoints } = rig.endpoints(CALLER, `outbound|80|${subset}|web.b.svc.cluster.local`) as Json;
    return (endpoints as { lb_endpoints: unknown[] }[]).flatMap((group) => group.lb_endpoints);
  };
  assert.equal(found('v1').length, 1, 'the first keeps its subset');
  assert.equal(found('v2').length, 1);
  const complaints = rig.policies.complaints.get('DestinationRule/b/zz');
  assert.deepEqual(
    complaints?.map(({ fieldPath, severity }) => [fieldPath, severity]),
    [['spec.subsets[0].name', 'error']],
  );
});

test('values that Envoy would refuse are replaced, and complained of', () => {
  const policy =
    '{outlierDetection: {maxEjectionPercent: 200}, connectionPool: {tcp: {maxConnections: 3}},' +
    ' loadBalancer: {consistentHash: {httpHeaderName: x, maglev: {tableSize: 100}}}}';
  const rig = rigOf(rule(policy));
  const made = rig.cluster(CALLER, WEB) as Json;
  assert.equal((made['outlier_detection'] as Json)['max_ejection_percent'], 100);
  assert.equal(made['maglev_lb_config'], undefined);
  const complaints = rig.policies.complaints.get('DestinationRule/b/web') ?? [];
  assert.deepEqual(
    complaints.map(({ fieldPath }) => fieldPath),
    [
      'spec.trafficPolicy.outlierDetection.maxEjectionPercent',
      'spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize',
      // Heddle's own proxies do not have it yet.
      'spec.trafficPolicy.loadBalancer.consistentHash',
    ],
  );
});

test('TLS to others', () => {
  const simple = cluster('{tls: {mode: SIMPLE, credentialName: cred}}');
  assert.equal(simple['transport_socket'], undefined, 'a sidecar has no right to the secrets of gateways');
  const router: Called = { facts: { namespace: 'istio-system', role: 'router' } };
  const rig = rigOf(rule('{tls: {mode: MUTUAL, credentialName: cred, sni: x.example.com}}'));
  const context = socket(rig.cluster(router, WEB) as Json)['common_tls_context'] as Json;
  const ads = { ads: {}, resource_api_version: 'V3' };
  assert.deepEqual(context['tls_certificate_sds_secret_configs'], [{ name: 'kubernetes://cred', sds_config: ads }]);
  assert.deepEqual((context['combined_validation_context'] as Json)['validation_context_sds_secret_config'], {
    name: 'kubernetes://cred-cacert',
    sds_config: ads,
  });
  const unfinished = cluster('{tls: {mode: MUTUAL, clientCertificate: /c.pem}}');
  assert.equal(unfinished['transport_socket'], undefined, 'half a certificate');
  const wrapped = cluster('{proxyProtocol: {version: V2}, tls: {mode: DISABLE}}');
  assert.deepEqual((socket(wrapped)['config'] as Json)['version'], 'V2');
});

test('readiness', () => {
  const health = (rig: CallRig): unknown[] => {
    const { endpoints } = rig.endpoints(CALLER, WEB) as { endpoints: { lb_endpoints: Json[] }[] };
    return endpoints.flatMap((group) => group.lb_endpoints.map((endpoint) => endpoint['health_status']));
  };
  assert.deepEqual(health(rigOf()), ['HEALTHY', 'UNHEALTHY', 'HEALTHY']);
  const kept = service().replace(
    'namespace: b}\nspec: {clusterIP',
    'namespace: b, labels: {istio.io/persistent-session: c}}\nspec: {clusterIP',
  );
  const rig = callRig(stageRig({ 'base.yaml': BASE, 'service.yaml': kept }));
  assert.deepEqual(health(rig), ['HEALTHY', 'UNHEALTHY', 'DRAINING', 'HEALTHY']);
  const { override_host_status } = commonLb(rig);
  assert.deepEqual(override_host_status, { statuses: ['HEALTHY', 'DRAINING', 'UNKNOWN', 'DEGRADED'] });
});

function ranks(rig: CallRig): unknown[] {
  const { endpoints } = rig.endpoints(CALLER, WEB) as { endpoints: Json[] };
  return endpoints.map((group) => [
    (group['locality'] as Json)['zone'],
    group['priority'] ?? 0,
    group['load_balancing_weight'],
  ]);
}

test('near endpoints first', () => {
  assert.deepEqual(ranks(rigOf()), [
    ['z1', 0, 1],
    ['z2', 0, 1],
    ['z3', 0, 1],
  ]);
  assert.deepEqual(ranks(rigOf(rule('{outlierDetection: {}}'))), [
    ['z1', 0, 1],
    ['z2', 1, 1],
    ['z3', 2, 1],
  ]);
  const off = '{outlierDetection: {}, loadBalancer: {localityLbSetting: {enabled: false}}}';
  assert.deepEqual(ranks(rigOf(rule(off))), [
    ['z1', 0, 1],
    ['z2', 0, 1],
    ['z3', 0, 1],
  ]);
  const weights = '{loadBalancer: {localityLbSetting: {distribute: [{from: r1/*, to: {"r1/z1": 70, "r1/z2": 30}}]}}}';
  const rig = rigOf(rule(weights));
  const { endpoints } = rig.endpoints(CALLER, WEB) as {
    endpoints: { lb_endpoints?: unknown[]; load_balancing_weight: number }[];
  };
  assert.deepEqual(
    endpoints.map((g) => [g.lb_endpoints?.length ?? 0, g.load_balancing_weight]),
    [
      [1, 70],
      [1, 30],
      [0, 1],
    ],
  );
  assert.ok(commonLb(rig)['locality_weighted_lb_config']);
  const close = callRig(stageRig({ 'base.yaml': BASE, 'service.yaml': service(', trafficDistribution: PreferClose') }));
  assert.deepEqual(ranks(close), [
    ['z1', 0, 1],
    ['z2', 1, 1],
    ['z3', 2, 1],
  ]);
  const elsewhere: Called = {
    ...CALLER,
    facts: { namespace: 'b', locality: { region: 'r2', zone: 'z3', subZone: '' } },
  };
  const far = close.endpoints(elsewhere, WEB) as { endpoints: Json[] };
  assert.deepEqual(
    far.endpoints.map((group) => group['priority'] ?? 0),
    [1, 1, 0],
  );
});

test('gateways that pass mTLS through get clusters by SNI', () => {
  const rig = rigOf(rule('{tls: {mode: ISTIO_MUTUAL}}', ', subsets: [{name: v1, labels: {version: v1}}]'));
  const router: Called = { facts: { namespace: 'istio-system', role: 'router' } };
  const made = rig.cluster(router, 'outbound_.80_.v1_.web.b.svc.cluster.local');
  assert.equal(made?.['transport_socket'] ?? made?.['transport_socket_matches'], undefined);
  assert.ok(rig.endpoints(router, 'outbound_.80_.v1_.web.b.svc.cluster.local'));
  assert.equal(rig.cluster(CALLER, 'outbound_.80_._.web.b.svc.cluster.local'), undefined);
});

test('gRPC libraries get what they understand', () => {
  const rig = rigOf(rule('{tls: {mode: ISTIO_MUTUAL}, loadBalancer: {simple: RANDOM}}'));
  const made = rig.cluster({ facts: { namespace: 'b', kind: 'grpc' } }, WEB) as Json;
  assert.deepEqual(Object.keys(made).sort(), [
    ...['alt_stat_name', 'eds_cluster_config', 'name', 'transport_socket', 'type'],
  ]);
  const plain = rigOf().cluster({ facts: { namespace: 'b', kind: 'grpc' } }, WEB);
  assert.equal(plain?.['transport_socket'], undefined);
});
