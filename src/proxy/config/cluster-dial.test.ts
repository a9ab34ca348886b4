// Tests the decoding of how sockets to a cluster leave: sources by family, socket options, keep-alive.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, decodedCluster } from '../../../test/support/cluster-decoding.ts';
import { DEFAULT_DIAL } from '../cluster/cluster-config.ts';

const V4 = { address: '127.0.0.9', port_value: 0 };
const V6 = { address: '::1', port_value: 0 };
const MARK = { description: 'mark', level: 1, name: 36, int_value: 7, state: 'STATE_PREBIND' };
const TTL = { level: 0, name: 2, int_value: 9 };

function dial(json: object) {
  return decodedCluster(json).dial;
}

test('clusters that say nothing share one object', () => {
  assert.equal(dial({}), DEFAULT_DIAL);
});

test('sockets leave from the source of their family, or else from the first', () => {
  const one = dial({ upstream_bind_config: { source_address: V4 } });
  const v4 = { family: 'ipv4', address: '127.0.0.9', port: 0 };
  assert.deepEqual(one.ipv4, { localAddress: v4 });
  assert.deepEqual(one.ipv6, { localAddress: v4 });
  assert.deepEqual(one.unix, {});
  const bind = { source_address: V4, extra_source_addresses: [{ address: V6 }] };
  const two = dial({ upstream_bind_config: bind });
  assert.deepEqual(two.ipv6, { localAddress: { family: 'ipv6', address: '::1', port: 0 } });
  const older = { source_address: V4, additional_source_addresses: [V6] };
  assert.deepEqual(dial({ upstream_bind_config: older }), two);
});

test('socket options are for all sources unless one has its own', () => {
  const own = { socket_options: { socket_options: [TTL] } };
  const { ipv4, ipv6 } = dial({
    upstream_bind_config: {
      source_address: V4,
      freebind: true,
      socket_options: [MARK],
      extra_source_addresses: [{ address: V6, ...own }],
    },
  });
  assert.deepEqual(
    ipv4.socketOptions?.map((option) => option.label),
    ['IP_FREEBIND', 'mark'],
  );
  assert.deepEqual(
    ipv6.socketOptions?.map((option) => option.label),
    ['IP_FREEBIND', 'IPV6_FREEBIND', 'socket option 0/2'],
  );
  const { ipv4: unbound } = dial({ upstream_bind_config: { socket_options: [MARK] } });
  assert.equal(unbound.localAddress, undefined);
  assert.equal(unbound.socketOptions?.length, 1);
});

test('keep-alive has the system’s idle time unless another is given', () => {
  const keepAlive = (fields: object) => dial({ upstream_connection_options: { tcp_keepalive: fields } }).ipv4;
  assert.deepEqual(keepAlive({}), { keepAliveS: 7200 });
  assert.deepEqual(keepAlive({ keepalive_time: 10, keepalive_interval: 5, keepalive_probes: 3 }), {
    keepAliveS: 10,
    keepAliveIntervalS: 5,
    keepAliveProbes: 3,
  });
});

test('further addresses of an endpoint, and their order', () => {
  const address = (socket: object) => ({ address: { socket_address: { ...socket, port_value: 80 } } });
  const config = decodedCluster({
    upstream_connection_options: { happy_eyeballs_config: { first_address_family_version: 'V6' } },
    load_assignment: {
      cluster_name: 'up',
      endpoints: [{ lb_endpoints: [{ endpoint: { ...address(V4), additional_addresses: [address(V6)] } }] }],
    },
  });
  const [endpoint] = config.endpoints.endpoints;
  assert.deepEqual(endpoint?.additionalAddresses, [{ family: 'ipv6', address: '::1', port: 80 }]);
  assert.deepEqual([config.dial.firstFamily, config.dial.firstFamilyCount], ['V6', 1]);
});

test('sources that could never be chosen are refused', () => {
  const bind = (fields: object) => ({ upstream_bind_config: fields });
  const extra = { extra_source_addresses: [{ address: V6 }] };
  assertRefused(bind(extra), /extra_source_addresses: takes no effect without source_address/);
  assertRefused(bind({ source_address: V6, ...extra }), /two source addresses must be of different IP versions/);
  assertRefused(bind({ source_address: V4, ...extra, additional_source_addresses: [V6] }), /cannot be set beside/);
  const many = { extra_source_addresses: [{ address: V6 }, { address: V4 }] };
  assertRefused(bind({ source_address: V4, ...many }), /only one extra\/additional source/);
});
