// The price of a unary gRPC call over two hops, and of a message of a bidirectional stream.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchCase } from '../support/bench-case.ts';
import { runChainCase } from '../support/chain-case.ts';
import { SMALL_MESSAGE } from '../support/grpc-message.ts';
import { http2Exchange } from '../support/http2-exchange.ts';
import { oneHop, twoHops, withHttp2Upstream } from '../support/http2-start.ts';
import { http2Load } from '../support/load.ts';
import { runLoadProgram } from '../support/load-program.ts';

const WARM_UP_SECONDS = 3;
const HEADERS = { 'content-type': 'application/grpc', te: 'trailers' };
const LOAD = join(import.meta.dirname, '../support/grpc-load.ts');
const CONNECTIONS = 4;
const STREAMS = 16;

export const grpcUnary: BenchCase = {
  name: 'grpc-unary',
  title: 'gRPC unary, two hops with mTLS HTTP/2 between',
  run: (context) =>
    withHttp2Upstream(context, ['unary'], async (upstreamPort) => {
      const { name, title } = grpcUnary;
      const path = '/bench.Echo/Unary';
      const bodyPath = join(context.loadPlace.scratch, 'message.bin');
      writeFileSync(bodyPath, SMALL_MESSAGE);
      const headers = Object.entries(HEADERS).map(([field, value]) => `${field}: ${value}`);
      const shape = { path, bodyPath, headers, connections: CONNECTIONS, streams: STREAMS };
      const row = await runChainCase(
        {
          ...{ name, title, bar: { ratio: 0.6 }, peers: ['envoy', 'heddle'], warmUpSeconds: WARM_UP_SECONDS },
          start: (peer) => twoHops(peer, context, 'http2Ingress', upstreamPort),
          exchange: (port) => http2Exchange(port, { path, headers: HEADERS, body: SMALL_MESSAGE }),
          load: (port, seconds) => http2Load(context.loadPlace, { port, seconds, ...shape }),
        },
        context,
      );
      return [row];
    }),
};

/** A message there and back counts as one; 64 streams have one on its way each. */
export const grpcBidi: BenchCase = {
  name: 'grpc-bidi',
  title: 'gRPC bidirectional streams, 100-byte messages',
  run: (context) =>
    withHttp2Upstream(context, ['echo'], async (upstreamPort) => {
      const { name, title } = grpcBidi;
      const row = await runChainCase(
        {
          ...{ name, title, bar: { ratio: 0.7 }, peers: ['envoy', 'haproxy', 'heddle'] },
          warmUpSeconds: WARM_UP_SECONDS,
          start: (peer) => oneHop(peer, context, upstreamPort),
          exchange: (port) =>
            http2Exchange(port, { path: '/bench.Echo/Stream', headers: HEADERS, body: SMALL_MESSAGE }),
          load: async (port, seconds) => {
            const args = [port, seconds, CONNECTIONS, STREAMS];
            const { messages, ms } = await runLoadProgram(context.loadPlace.core, LOAD, args);
            return { requests: Number(messages), perSecond: (1000 * Number(messages)) / Number(ms) };
          },
        },
        context,
      );
      return [row];
    }),
};
