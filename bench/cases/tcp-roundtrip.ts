// Small messages through tcp_proxy: the price of a chunk, and of a connection. HTTP is only what the load speaks.
import { cpuCase } from '../support/cpu-case.ts';
import { PATHS } from '../support/upstream.ts';

const shared = { bar: { ratio: 1 }, config: 'tcp', peers: ['envoy', 'haproxy', 'heddle'] } as const;

export const tcpRoundtrip = cpuCase({
  ...shared,
  name: 'tcp-roundtrip',
  title: 'TCP round trips, 1 KiB answers',
  request: { path: PATHS.small },
  connections: 64,
});

export const tcpConnect = cpuCase({
  ...shared,
  name: 'tcp-connect',
  title: 'TCP, a connection for each 1 KiB answer',
  request: { path: PATHS.small, headers: ['connection: close'] },
  connections: 64,
});
