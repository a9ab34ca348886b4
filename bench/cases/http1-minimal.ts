// HTTP/1.1, 1 KiB responses, the smallest configuration: the price of a request.
import { cpuCase } from '../support/cpu-case.ts';
import { PATHS } from '../support/upstream.ts';

export const http1Minimal = cpuCase({
  name: 'http1-minimal',
  title: 'HTTP/1.1, 1 KiB, minimal',
  bar: { ratio: 0.55 },
  config: 'minimal',
  peers: ['envoy', 'nginx', 'haproxy', 'heddle'],
  request: { path: PATHS.small },
  connections: 32,
});
