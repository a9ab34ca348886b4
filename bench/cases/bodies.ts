// Bodies of 100 KiB, down and up, and packed ones: the price of bytes.
import { cpuCase } from '../support/cpu-case.ts';
import { PATHS } from '../support/upstream.ts';

const shared = { bar: { ratio: 1 }, config: 'minimal', peers: ['envoy', 'nginx', 'haproxy', 'heddle'] } as const;

export const responses100k = cpuCase({
  ...shared,
  name: 'responses-100k',
  title: '100 KiB responses',
  request: { path: PATHS.large },
  connections: 32,
});

export const uploads100k = cpuCase({
  ...shared,
  name: 'uploads-100k',
  title: '100 KiB uploads',
  request: { path: PATHS.upload, uploadBytes: 100 * 1024 },
  connections: 32,
});

export const gzip10k = cpuCase({
  name: 'gzip-10k',
  title: 'gzip of 10 KiB of JSON',
  bar: { ratio: 1.1 },
  config: 'gzip',
  peers: ['envoy', 'heddle'],
  request: { path: PATHS.json, headers: ['accept-encoding: gzip'] },
  connections: 32,
});
