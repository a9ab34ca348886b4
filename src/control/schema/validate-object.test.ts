// What people are told of objects that are refused, and what becomes of those that are not.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Secret } from '../../base/secret.ts';
import { formatPath } from '../source/finding.ts';
import type { ConfigObject } from '../source/object.ts';
import { sameJson } from '../source/same-json.ts';
import { crdNames, crdSchema } from './crds.ts';
import { KEYWORDS, type Schema } from './structural.ts';
import { validateObject } from './validate-object.ts';

type Json = Readonly<Record<string, unknown>>;

const virtualService = (spec: Json): Json => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'v' },
  spec,
});

const MESH: Json = { apiVersion: 'mesh.istio.io/v1alpha1', kind: 'MeshConfig', metadata: { name: 'mesh' } };

function problemsOf(raw: Json, old?: ConfigObject): string[] {
  const validated = validateObject(raw, old);
  assert.ok(validated !== null);
  const problems = 'errors' in validated ? validated.errors : validated.warnings;
  return problems.map(({ severity, path, message, remedy }) => {
    return `${severity === 'error' ? '' : `${severity}: `}${formatPath(path)}: ${message} → ${remedy}`;
  });
}

function accepted(raw: Json): ConfigObject {
  const validated = validateObject(raw);
  assert.ok(validated !== null && 'object' in validated, JSON.stringify(validated));
  return validated.object;
}

describe('an object that is refused', () => {
  const TABLE: readonly (readonly [title: string, raw: Json, expected: readonly string[]])[] = [
    [
      'because of a field that is misspelt',
      virtualService({ host: ['a'] }),
      ['spec.host: unknown field "host" → write hosts'],
    ],
    [
      'because of a value of another type',
      virtualService({ hosts: 'a' }),
      [
        'spec.hosts: must be of type array: "a" is of type string → write a list, each item on a line that begins ' +
          'with "- "',
      ],
    ],
    [
      'because of what is missing',
      virtualService({ http: [{ route: [{ destination: {} }] }] }),
      ['spec.http[0].route[0].destination.host: required value → add host'],
    ],
    [
      'because of a rule',
      virtualService({ http: [{ timeout: '1' }, { timeout: '0s' }] }),
      [
        'spec.http[0].timeout: rule evaluation error: invalid duration "1" (rule: duration(self) >= ' +
          "duration('1ms')) → change it so that this holds",
        'spec.http[1].timeout: must be a valid duration greater than 1ms → change it so that this holds',
      ],
    ],
    [
      'because two of a choice are set',
      virtualService({ http: [{ match: [{ uri: { exact: '/a', prefix: '/b' } }] }] }),
      [
        'spec.http[0].match[0].uri: only one of exact, prefix, regex may be set, not exact and prefix → remove all ' +
          'but one',
      ],
    ],
    [
      'because of its version',
      { ...virtualService({}), apiVersion: 'networking.istio.io/v2' },
      [
        'apiVersion: there is no VirtualService in networking.istio.io/v2 → write networking.istio.io/v1 or ' +
          'networking.istio.io/v1beta1 or networking.istio.io/v1alpha3',
      ],
    ],
    [
      'because of its metadata',
      { ...virtualService({}), metadata: { name: 'A', label: {}, labels: { a: 1, 'b/c/d': 'e' } } },
      [
        'metadata.label: unknown field "label" → write labels',
        'metadata.labels.a: must be a text, not 1 → put it in quotes',
        'metadata.labels["b/c/d"]: "b/c/d" is no name of one of the labels → use [prefix.example/]name',
        'metadata.name: "A" is no name → use lower case letters, digits, "-" and ".", beginning and ending with a ' +
          'letter or digit',
      ],
    ],
    [
      "of Kubernetes' own kinds",
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 's' }, spec: { ports: [{ name: 1 }, { port: 70000 }] } },
      [
        'spec.ports[0].port: required value → add port',
        'spec.ports[0].name: must be of type string: 1 is of type integer → put it in quotes',
        'spec.ports[1].port: 70000 should be less than or equal to 65535 → use 65535 or less',
      ],
    ],
    [
      'of mesh configuration',
      { ...MESH, spec: { accessLogFile: 1 } },
      ['spec.accessLogFile: expected a string, got 1 → write it as the documentation of the field says'],
    ],
  ];
  for (const [title, raw, expected] of TABLE) test(title, () => assert.deepEqual(problemsOf(raw), expected));

  test('because of what was there before', () => {
    const gatewayClass = (controllerName: string): Json => ({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GatewayClass',
      metadata: { name: 'c' },
      spec: { controllerName },
    });
    const old = accepted(gatewayClass('a.example/x'));
    assert.deepEqual(problemsOf(gatewayClass('a.example/y'), old), [
      'spec.controllerName: Value is immutable → delete the object and create it anew, or leave the value',
    ]);
    assert.deepEqual(problemsOf(gatewayClass('a.example/x'), old), []);
  });
});

describe('an object that is accepted', () => {
  test('has its defaults', () => {
    const { spec, namespace } = accepted({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'r' },
      spec: { rules: [{ matches: null, backendRefs: [{ name: 'a', port: 80 }] }] },
    });
    assert.equal(namespace, 'default');
    assert.deepEqual(spec, {
      rules: [
        {
          backendRefs: [{ group: '', kind: 'Service', name: 'a', port: 80, weight: 1 }],
          matches: [{ path: { type: 'PathPrefix', value: '/' } }],
        },
      ],
    });
  });

  test('has the texts of a Secret in base64, and shows none', () => {
    const secret = (stringData: Json): Json => {
      const metadata = { name: 's' };
      return { apiVersion: 'v1', kind: 'Secret', metadata, data: { a: 'YQ==' }, stringData };
    };
    const { data } = accepted(secret({ b: 'b' }));
    const values = Object.entries(data['data'] as Record<string, Secret>).map(([name, one]) => [name, one.reveal()]);
    assert.deepEqual(values, [
      ['a', 'YQ=='],
      ['b', 'Yg=='],
    ]);
    assert.doesNotMatch(JSON.stringify(data), /YQ|Yg/);
    assert.doesNotMatch(problemsOf(secret({ b: 424242 })).join(), /424242/);
    assert.ok(sameJson(data, accepted(secret({ b: 'b' })).data) && !sameJson(data, accepted(secret({ b: 'c' })).data));
  });

  test('has its metadata', () => {
    const metadata = {
      name: 'v',
      generation: 3,
      uid: 'u',
      creationTimestamp: '2024-01-01T00:00:00Z',
      labels: { a: 'b' },
    };
    const object = accepted({ ...virtualService({}), metadata });
    assert.equal(object.generation, 3);
    assert.equal(object.creationMs, Date.UTC(2024, 0, 1));
    assert.deepEqual(object.labels, { a: 'b' });
  });

  test('of mesh configuration has no unknown fields', () => {
    const raw = {
      ...MESH,
      spec: { trust_domain: 'a', outboundTraficPolicy: {}, defaultConfig: { tracing: { sampling: 5 } } },
    };
    assert.deepEqual(problemsOf(raw), [
      'warning: spec.outboundTraficPolicy: unknown field "outboundTraficPolicy" → write outboundTrafficPolicy; it ' +
        'has no effect as it is',
    ]);
    assert.deepEqual(accepted(raw).spec, { trustDomain: 'a', defaultConfig: { tracing: { sampling: 5 } } });
  });

  test('of mesh configuration keeps what is written, also where that is the default of protobuf', () => {
    const spec = {
      outbound_traffic_policy: { mode: 'REGISTRY_ONLY' },
      enableTracing: false,
      accessLogEncoding: 0,
      h2UpgradePolicy: null,
    };
    assert.deepEqual(accepted({ ...MESH, spec }).spec, {
      outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
      enableTracing: false,
      accessLogEncoding: 'TEXT',
    });
  });
});

describe('the schemas of custom resources', () => {
  const visit = (schema: Schema, see: (schema: Schema) => void): void => {
    see(schema);
    for (const inner of schema.properties.values()) visit(inner, see);
    for (const inner of [schema.additional, schema.items, schema.not]) if (inner !== null) visit(inner, see);
    for (const inner of [...schema.allOf, ...schema.anyOf, ...schema.oneOf]) visit(inner, see);
  };

  for (const name of crdNames()) {
    test(`${name} says nothing that is not understood`, () => {
      const [group = '', version = '', kind = ''] = name.split('/');
      visit(crdSchema(group, version, kind) as Schema, (schema) => {
        for (const keyword of Object.keys(schema.json)) assert.ok(KEYWORDS.has(keyword), keyword);
        assert.ok(Array.isArray(schema.rules));
        schema.matchesPattern('a');
      });
    });
  }
});
