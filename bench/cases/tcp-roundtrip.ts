// Small messages through tcp_proxy: the price of a chunk. HTTP is only what the load speaks.
import { cpuCase } from '../support/cpu-case.ts';
import { PATHS } from '../support/upstream.ts';

export const tcpRoundtrip = cpuCase({
  name: 'tcp-roundtrip',
  title: 'TCP round trips, 1 KiB answers',
  bar: { ratio: 1 },
  config: 'tcp',
  peers: ['envoy', 'haproxy', 'heddle'],
  request: { path: PATHS.small },
  connections: 64,
});
