// Tests which names requests give to their connections.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeTransport } from '../../../../../test/support/fake-transport.ts';
import { makeRoute, clusterConfig, RouterHarness } from '../../../../../test/support/router-harness.ts';
import type { AutoNames } from '../../../cluster/cluster-config.ts';
import type { FilterStateObject } from '../../../stream-info.ts';

const AUTO: AutoNames = { sni: true, san: true, header: 'x-name' };

/** What the handshake of a request was asked for. */
function ask(
  authority: string,
  change: Partial<AutoNames> = {},
  lines: string[] = [],
  state: Record<string, string> = {},
) {
  const transport = new FakeTransport();
  const config = clusterConfig({ transport: transport.config });
  const http = { ...config.http, autoNames: { ...AUTO, ...change } };
  const h = new RouterHarness([{ ...config, http }]);
  const filterState = new Map<string, FilterStateObject>();
  for (const [key, value] of Object.entries(state)) {
    filterState.set(key, { value, typed: null, isReadOnly: true, lifeSpan: 'connection' });
  }
  const route = makeRoute({
    route: {
      hasRequestMutations: true,
      finalizeRequest: (headers) => {
        headers.authority = authority;
      },
    },
  });
  const request = h.request('/', lines, { route, filterState });
  h.dialer.accept();
  const { serverName, subjectAltNames, applicationProtocols } = transport.finish();
  return { serverName, subjectAltNames, applicationProtocols, state: request.info.filterState };
}

test('the authority, after rewrites and without its port, is SNI and SAN', () => {
  const { serverName, subjectAltNames, state } = ask('a.test:99');
  assert.deepEqual([serverName, subjectAltNames], ['a.test', ['a.test']]);
  assert.equal(state?.get('envoy.network.upstream_server_name')?.value, 'a.test');
  assert.equal(state?.get('envoy.network.upstream_subject_alt_names')?.value, 'a.test');
});

test('an address is no server name', () => {
  for (const [authority, san] of [
    ['10.0.0.1:80', '10.0.0.1'],
    ['[::1]:80', '::1'],
    ['[::1]', '::1'],
  ] as const) {
    const { serverName, subjectAltNames } = ask(authority);
    assert.deepEqual([serverName, subjectAltNames], ['', [san]]);
  }
});

test('a header may say the name instead', () => {
  assert.equal(ask('a.test', {}, ['x-name: b.test:1']).serverName, 'b.test');
  assert.equal(ask('a.test', {}, ['x-name: ']).serverName, 'a.test');
});

test('each is asked for by itself, and filter state comes first', () => {
  assert.equal(ask('a.test', { sni: false }).serverName, '');
  assert.equal(ask('a.test', { san: false }).subjectAltNames, null);
  const { serverName, subjectAltNames, applicationProtocols } = ask('a.test', {}, [], {
    'envoy.network.upstream_server_name': 'c.test',
    'envoy.network.upstream_subject_alt_names': 'd.test,e.test',
    'envoy.network.application_protocols': 'x,y',
  });
  assert.equal(serverName, 'c.test');
  assert.deepEqual(subjectAltNames, ['d.test', 'e.test']);
  assert.deepEqual(applicationProtocols, ['x', 'y']);
});
