// HTTP/1.1 with what a mesh puts in the path: five filters, a retry policy and a JSON access log of 17 fields.
import { cpuCase } from '../support/cpu-case.ts';
import { PATHS } from '../support/upstream.ts';

export const http1AllFeatures = cpuCase({
  name: 'http1-all-features',
  title: 'HTTP/1.1, 1 KiB, all features',
  bar: { ratio: 0.6 },
  config: 'allFeatures',
  peers: ['envoy', 'heddle'],
  request: { path: PATHS.small, headers: ['origin: https://app.example.com', 'user-agent: bench/1.0'] },
  connections: 32,
});
