// What is said of objects that have no effect, or only a part of it.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { effectOf, IN_EFFECT } from './effect.ts';
import { MemorySource } from './source/config-source.ts';

function effect(kind: string, apiVersion: string, spec: string): string {
  const text = `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: x, namespace: a}\nspec: ${spec}\n`;
  const source = new MemorySource({ 'a.yaml': text });
  source.start();
  assert.deepEqual(
    source.findings().filter(({ severity }) => severity === 'error'),
    [],
  );
  return effectOf([...source.objects().values()][0], undefined);
}

it('tells what takes effect and what does not', () => {
  assert.equal(
    effect('VirtualService', 'networking.istio.io/v1', '{hosts: [a], http: [{route: [{destination: {host: a}}]}]}'),
    IN_EFFECT,
  );
  assert.match(effect('EnvoyFilter', 'networking.istio.io/v1alpha3', '{}'), /no effect yet/);
  assert.match(effect('WorkloadGroup', 'networking.istio.io/v1', '{template: {}}'), /no effect yet/);
});

it('tells which part of a Telemetry does', () => {
  const telemetry = (spec: string): string => effect('Telemetry', 'telemetry.istio.io/v1', spec);
  assert.equal(telemetry('{accessLogging: [{providers: [{name: envoy}]}]}'), IN_EFFECT);
  assert.match(telemetry('{tracing: [{randomSamplingPercentage: 10}]}'), /tracing/);
  assert.match(telemetry('{accessLogging: [{providers: [{name: otel}]}]}'), /the provider otel/);
  assert.match(
    telemetry('{selector: {matchLabels: {a: b}}, accessLogging: [{providers: [{name: envoy}]}]}'),
    /selects/,
  );
});

it('tells what closes workloads', () => {
  const closed = { origin: 'RequestAuthentication/a/x', targets: [], reason: 'it wants tokens' };
  assert.match(effectOf(undefined, closed), /closed: it wants tokens/);
});
