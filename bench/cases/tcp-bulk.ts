// Bytes without end through tcp_proxy: few connections, with read buffers of their own, and many, which share one.
import { bulkCase } from '../support/bulk-case.ts';

export const tcpBulk = bulkCase({
  name: 'tcp-bulk',
  title: 'TCP bulk, 4 connections',
  bar: { ratio: 0.85 },
  peers: ['envoy', 'haproxy', 'heddle'],
  streams: 4,
});

export const tcpBulkMany = bulkCase({
  name: 'tcp-bulk-many',
  title: 'TCP bulk, 100 connections',
  bar: { ratio: 0.95 },
  peers: ['envoy', 'haproxy', 'heddle'],
  streams: 100,
});
