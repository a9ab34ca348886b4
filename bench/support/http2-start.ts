// Starts the HTTP/2 upstream of the bench on the load's core, and proxies in front of it.
import { join } from 'node:path';
import type { BenchContext } from './bench-case.ts';
import type { Chain } from './chain-case.ts';
import type { EnvoyConfigName } from './envoy-config.ts';
import { freePort, type Program, startProgram, stopProgram, waitForPort } from './process.ts';
import { type PeerName, startProxy } from './proxies.ts';

const UPSTREAM = join(import.meta.dirname, 'http2-upstream.ts');

export type Http2Upstream = { readonly port: number; readonly program: Program };

/** `behaviour` is one of those of http2-upstream.ts, with its arguments. */
export async function withHttp2Upstream<T>(
  { loadPlace }: BenchContext,
  behaviour: readonly string[],
  run: (port: number) => Promise<T>,
): Promise<T> {
  const port = await freePort();
  const command = [process.execPath, UPSTREAM, String(port), ...behaviour];
  const program = startProgram(loadPlace.core, command, join(loadPlace.scratch, 'http2-upstream.log'));
  try {
    await waitForPort(program, port);
    return await run(port);
  } finally {
    await stopProgram(program);
  }
}

/** One proxy in front of an upstream. */
export async function oneHop(peer: PeerName, context: BenchContext, upstreamPort: number): Promise<Chain> {
  return [await startProxy(peer, 'http2', { ...context.proxyPlace, upstreamPort })];
}

/** Two proxies with mutual TLS and HTTP/2 between them; `inner` is the one at the upstream. */
export async function twoHops(
  peer: PeerName,
  context: BenchContext,
  inner: EnvoyConfigName,
  upstreamPort = context.proxyPlace.upstreamPort,
): Promise<Chain> {
  const last = await startProxy(peer, inner, { ...context.proxyPlace, upstreamPort });
  try {
    return [await startProxy(peer, 'http2Egress', { ...context.proxyPlace, tlsUpstreamPort: last.port }), last];
  } catch (error) {
    await last.stop();
    throw error;
  }
}
