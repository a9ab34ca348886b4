// The names by which kinds are known, as kubectl knows them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KINDS } from '../../control/source/kinds.ts';
import { kindsNamed, kindsOf, NAMED_KINDS, titleOf } from './kinds.ts';

const found = (word: string): string =>
  kindsNamed(word)
    .map(({ group, kind }) => `${kind}.${group}`)
    .join(' ');

test('singular, plural, short, with a group, in any case', () => {
  const TABLE: readonly (readonly [string, string])[] = [
    ['vs', 'VirtualService.networking.istio.io'],
    ['VirtualServices', 'VirtualService.networking.istio.io'],
    ['virtualservices.networking.istio.io', 'VirtualService.networking.istio.io'],
    ['virtualservice.v1beta1.networking.istio.io', 'VirtualService.networking.istio.io'],
    ['dr', 'DestinationRule.networking.istio.io'],
    ['gw', 'Gateway.networking.istio.io'],
    ['gtw', 'Gateway.gateway.networking.k8s.io'],
    ['gateway', 'Gateway.networking.istio.io Gateway.gateway.networking.k8s.io'],
    ['gateways.gateway.networking.k8s.io', 'Gateway.gateway.networking.k8s.io'],
    ['gateway.networking.k8s.io:Gateway', 'Gateway.gateway.networking.k8s.io'],
    ['httproutes.gateway.networking.k8s.io', 'HTTPRoute.gateway.networking.k8s.io'],
    ['gatewayclasses', 'GatewayClass.gateway.networking.k8s.io'],
    ['backendtlspolicies', 'BackendTLSPolicy.gateway.networking.k8s.io'],
    ['serviceentries', 'ServiceEntry.networking.istio.io'],
    ['se', 'ServiceEntry.networking.istio.io'],
    ['proxyconfigs', 'ProxyConfig.networking.istio.io'],
    ['ap', 'AuthorizationPolicy.security.istio.io'],
    ['pa', 'PeerAuthentication.security.istio.io'],
    ['telemetries', 'Telemetry.telemetry.istio.io'],
    ['svc', 'Service.'],
    ['po', 'Pod.'],
    ['sa', 'ServiceAccount.'],
    ['endpointslices', 'EndpointSlice.discovery.k8s.io'],
    ['deploy', 'Deployment.apps'],
    ['vss', ''],
  ];
  for (const [word, kinds] of TABLE) assert.equal(found(word), kinds, word);
});

test('every kind that is read has names of its own', () => {
  assert.equal(NAMED_KINDS.length, KINDS.length);
  for (const kind of NAMED_KINDS) {
    const whole = kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}`;
    assert.deepEqual(
      kindsNamed(whole).map((one) => one.kind),
      [kind.kind],
      whole,
    );
  }
  const short = NAMED_KINDS.flatMap((kind) => kind.short);
  assert.equal(new Set(short).size, short.length);
});

test('several, all, and the nearest to a mistake', () => {
  assert.deepEqual(
    kindsOf('vs,dr').map(({ kind }) => kind),
    ['VirtualService', 'DestinationRule'],
  );
  assert.equal(kindsOf('all').length, KINDS.length);
  assert.throws(() => kindsOf('virtualservce'), /no kind "virtualservce": is virtualservice meant\?/);
  assert.equal(titleOf({ group: '', kind: 'Service', name: 'a' }), 'service/a');
});
