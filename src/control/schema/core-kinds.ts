// What is read of Kubernetes' own kinds, as schemas: types and what must be there; the other fields are let through.
import type { NameRule } from './object-meta.ts';
import { Schema, type SchemaJson } from './structural.ts';

const text: SchemaJson = { type: 'string' };
const truth: SchemaJson = { type: 'boolean' };
const whole: SchemaJson = { type: 'integer', format: 'int32' };
const bytes: SchemaJson = { type: 'string', format: 'byte' };
const port: SchemaJson = { type: 'integer', minimum: 1, maximum: 65535 };
const portOrName: SchemaJson = { 'x-kubernetes-int-or-string': true };

function listOf(items: SchemaJson, limits: Partial<SchemaJson> = {}): SchemaJson {
  return { type: 'array', items, ...limits };
}

function mapOf(additionalProperties: SchemaJson): SchemaJson {
  return { type: 'object', additionalProperties };
}

function oneOf(...values: readonly string[]): SchemaJson {
  return { type: 'string', enum: values };
}

function objectOf(properties: Readonly<Record<string, SchemaJson>>, required: readonly string[] = []): SchemaJson {
  return { type: 'object', properties, required, 'x-kubernetes-preserve-unknown-fields': true };
}

/** An empty one is as good as none. */
const protocol: SchemaJson = { ...oneOf('', 'TCP', 'UDP', 'SCTP'), default: 'TCP' };

const servicePort = objectOf(
  { name: text, port, targetPort: portOrName, nodePort: whole, protocol, appProtocol: text },
  ['port'],
);

/** What of the API server's own rules decides which port is meant. */
const PORT_RULES = [
  {
    rule: "self.size() < 2 || self.all(p, has(p.name) && p.name != '')",
    message: 'each of several ports needs a name',
  },
  {
    rule: 'self.size() < 2 || self.all(p, self.exists_one(q, has(p.name) && has(q.name) && p.name == q.name))',
    message: 'the names of ports must differ',
  },
];

const service = objectOf({
  type: oneOf('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'),
  clusterIP: text,
  clusterIPs: listOf(text),
  externalIPs: listOf(text),
  externalName: text,
  loadBalancerClass: text,
  loadBalancerIP: text,
  selector: mapOf(text),
  ports: listOf(servicePort, { 'x-kubernetes-validations': PORT_RULES }),
  sessionAffinity: oneOf('None', 'ClientIP'),
  publishNotReadyAddresses: truth,
  ipFamilies: listOf(oneOf('IPv4', 'IPv6')),
  ipFamilyPolicy: oneOf('SingleStack', 'PreferDualStack', 'RequireDualStack'),
  internalTrafficPolicy: oneOf('Cluster', 'Local'),
  externalTrafficPolicy: oneOf('Cluster', 'Local'),
  trafficDistribution: text,
});

const ingress = objectOf({ ip: text, hostname: text });
const serviceStatus = objectOf({ loadBalancer: objectOf({ ingress: listOf(ingress) }) });

const endpoint = objectOf(
  {
    addresses: listOf(text, { minItems: 1, maxItems: 100 }),
    conditions: objectOf({ ready: truth, serving: truth, terminating: truth }),
    hostname: text,
    nodeName: text,
    zone: text,
    targetRef: objectOf({ kind: text, name: text, namespace: text, uid: text }),
    hints: objectOf({}),
  },
  ['addresses'],
);

const endpointPort = objectOf({ name: text, port, protocol, appProtocol: text });

const containerPort = objectOf({ name: text, containerPort: port, protocol }, ['containerPort']);
const container = objectOf({ name: { ...text, minLength: 1 }, image: text, ports: listOf(containerPort) }, ['name']);
const podSpec = objectOf(
  {
    serviceAccountName: text,
    nodeName: text,
    hostname: text,
    subdomain: text,
    hostNetwork: truth,
    containers: listOf(container, { minItems: 1 }),
    initContainers: listOf(container),
  },
  ['containers'],
);
const podStatus = objectOf({
  phase: text,
  podIP: text,
  podIPs: listOf(objectOf({ ip: text })),
  hostIP: text,
  conditions: listOf(objectOf({ type: text, status: text })),
});
const template = objectOf({ metadata: objectOf({ labels: mapOf(text), annotations: mapOf(text) }), spec: podSpec });
const workload = objectOf(
  { replicas: whole, serviceName: text, selector: objectOf({ matchLabels: mapOf(text) }), template },
  ['selector', 'template'],
);

/** Top-level fields by kind; apiVersion, kind and metadata are checked apart. */
const KINDS: Readonly<Record<string, SchemaJson>> = {
  ConfigMap: objectOf({ data: mapOf(text), binaryData: mapOf(bytes), immutable: truth }),
  Secret: objectOf({ type: text, data: mapOf(bytes), stringData: mapOf(text), immutable: truth }),
  Service: objectOf({ spec: service, status: serviceStatus }),
  Pod: objectOf({ spec: podSpec, status: podStatus }, ['spec']),
  ServiceAccount: objectOf({}),
  Namespace: objectOf({ spec: objectOf({}) }),
  Node: objectOf({
    spec: objectOf({}),
    status: objectOf({ addresses: listOf(objectOf({ type: text, address: text })) }),
  }),
  EndpointSlice: objectOf(
    {
      addressType: oneOf('IPv4', 'IPv6', 'FQDN'),
      endpoints: listOf(endpoint, { maxItems: 1000 }),
      ports: listOf(endpointPort, { maxItems: 20000 }),
    },
    ['addressType'],
  ),
  Deployment: objectOf({ spec: workload }, ['spec']),
  StatefulSet: objectOf({ spec: workload }, ['spec']),
};

const NAMES: Readonly<Record<string, NameRule>> = { Service: 'label', Namespace: 'label' };

const schemas = new Map<string, Schema>();

/** The kind is one of those with `schema: 'core'`. */
export function coreSchema(kind: string): Schema {
  let schema = schemas.get(kind);
  if (schema === undefined) {
    schema = new Schema(KINDS[kind] as SchemaJson);
    schemas.set(kind, schema);
  }
  return schema;
}

export function nameRuleOf(kind: string): NameRule {
  return NAMES[kind] ?? 'subdomain';
}
