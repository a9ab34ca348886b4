// Rules about the address that a filter before rbac has found.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigDecoder } from '../config-decoder.ts';
import type { StreamInfo } from '../stream-info.ts';
import { decodeUpstreamAddress, type UpstreamAddressPb } from './upstream-address.ts';

const decoder = (): ConfigDecoder => new ConfigDecoder({ unpack: () => null });

function going(address: string, port: number): StreamInfo {
  const state = { value: '', typed: null, isReadOnly: false, lifeSpan: 'request' } as const;
  const kept = { ...state, address: { family: 'ipv4', address, port } } as const;
  return { filterState: new Map([['envoy.stream.upstream_address', kept]]), connection: {} } as unknown as StreamInfo;
}

function holds(message: UpstreamAddressPb, info: StreamInfo): boolean | undefined {
  return decodeUpstreamAddress(message, decoder())?.matches(info, undefined as never, null);
}

const net = { upstream_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } };

test('address and port must both be as they are asked for', () => {
  assert.equal(holds(net, going('10.1.2.3', 1)), true);
  assert.equal(holds(net, going('11.1.2.3', 1)), false);
  const ports = { upstream_port_range: { start: 80n, end: 81n } };
  assert.deepEqual(
    [79, 80, 81, 82].map((port) => holds(ports, going('10.0.0.1', port))),
    [false, true, true, false],
  );
  assert.equal(holds({ ...net, ...ports }, going('11.0.0.1', 80)), false);
});

test('nothing holds where nobody has found an address', () => {
  const info = { filterState: null, connection: {} } as unknown as StreamInfo;
  assert.equal(holds(net, info), false);
});

test('a rule about nothing is refused', () => {
  const d = decoder();
  assert.equal(decodeUpstreamAddress({}, d), null);
  assert.match(d.reasons[0]?.reason ?? '', /missing `upstream_ip` and\/or `upstream_port_range`/);
  assert.equal(decodeUpstreamAddress({ upstream_ip: { address_prefix: 'x' } }, d), null);
});
