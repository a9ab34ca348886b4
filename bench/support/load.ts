// Load from wrk and h2load (closed loop: as fast as answers come) and vegeta (open loop: at a fixed rate).
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from './process.ts';

export type LoadPlace = {
  readonly core: number;
  readonly scratch: string;
  readonly wrk: string;
  readonly vegeta: string;
  readonly h2load: string;
};

export type ClosedLoad = {
  readonly port: number;
  readonly path: string;
  readonly seconds: number;
  readonly connections: number;
  readonly headers?: readonly string[];
  readonly uploadBytes?: number;
};

export type ClosedResult = { readonly requests: number; readonly perSecond: number };

/** Throws when any answer was not a success, or a connection broke: such a round measures something else. */
export async function closedLoad(place: LoadPlace, load: ClosedLoad): Promise<ClosedResult> {
  const url = `http://127.0.0.1:${load.port}${load.path}`;
  const flags = ['-t1', `-c${load.connections}`, `-d${load.seconds}s`, '--timeout', '10s'];
  if (load.uploadBytes !== undefined) {
    const script = join(place.scratch, 'upload.lua');
    writeFileSync(script, `wrk.method = "POST"\nwrk.body = string.rep("x", ${load.uploadBytes})\n`);
    flags.push('-s', script);
  }
  for (const header of load.headers ?? []) flags.push('-H', header);
  const output = await runProgram(place.core, [place.wrk, ...flags, url]);
  const bad = /(Non-2xx or 3xx responses|Socket errors): (.*)/.exec(output);
  if (bad !== null) throw new Error(`wrk: ${bad[0]}`);
  return {
    requests: Number(/(\d+) requests in/.exec(output)?.[1]),
    perSecond: Number(/Requests\/sec:\s*([\d.]+)/.exec(output)?.[1]),
  };
}

export type Http2Load = Pick<ClosedLoad, 'port' | 'path' | 'seconds' | 'connections' | 'headers'> & {
  /** On each connection at a time. */
  readonly streams: number;
  /** A file whose bytes are the body of each request. */
  readonly bodyPath?: string;
};

/** HTTP/2 cleartext; throws as `closedLoad` does. */
export async function http2Load(place: LoadPlace, load: Http2Load): Promise<ClosedResult> {
  const url = `http://127.0.0.1:${load.port}${load.path}`;
  const flags = ['-t1', `-c${load.connections}`, `-m${load.streams}`, `-D${load.seconds}`, '-T10', '-N10'];
  if (load.bodyPath !== undefined) flags.push('-d', load.bodyPath);
  for (const header of load.headers ?? []) flags.push('-H', header);
  const output = await runProgram(place.core, [place.h2load, ...flags, url]);
  const counts = /(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(output);
  const [, done = '0', succeeded = '0'] = counts ?? [];
  if (counts === null || done !== succeeded) throw new Error(`h2load: ${counts?.[0] ?? output.slice(-300)}`);
  return { requests: Number(done), perSecond: Number(/, ([\d.]+) req\/s/.exec(output)?.[1]) };
}

export type OpenResult = { readonly p50Ms: number; readonly p99Ms: number; readonly perSecond: number };

/** As many as may be in flight: without a limit one stall opens hundreds, whose price is then measured. */
const CONNECTIONS = ['-connections=64', '-max-connections=64', '-max-workers=64', '-http2=false'];

/** A generator that falls behind its rate measures itself. */
const LEAST_SHARE = 0.95;

export async function openLoad(
  place: LoadPlace,
  load: { port: number; path: string; seconds: number; rate: number; hosts?: readonly string[] },
): Promise<OpenResult> {
  const targets = join(place.scratch, 'targets.txt');
  const results = join(place.scratch, 'results.bin');
  const target = `GET http://127.0.0.1:${load.port}${load.path}\n`;
  writeFileSync(targets, load.hosts?.map((host) => `${target}Host: ${host}\n`).join('\n') ?? target);
  const flags = [`-rate=${Math.round(load.rate)}`, `-duration=${load.seconds}s`, `-targets=${targets}`];
  await runProgram(place.core, [
    'env',
    'GOGC=400',
    place.vegeta,
    'attack',
    ...flags,
    ...CONNECTIONS,
    `-output=${results}`,
  ]);
  const report = join(place.scratch, 'report.json');
  await runProgram(place.core, [place.vegeta, 'report', '-type=json', `-output=${report}`, results]);
  const { latencies, success, throughput, status_codes } = JSON.parse(readFileSync(report, 'utf8'));
  if (success !== 1)
    throw new Error(`vegeta: ${(100 * success).toFixed(2)} % succeeded: ${JSON.stringify(status_codes)}`);
  if (throughput < LEAST_SHARE * load.rate) {
    throw new Error(`vegeta: reached ${throughput.toFixed(0)} of ${load.rate.toFixed(0)} requests per second`);
  }
  return { p50Ms: latencies['50th'] / 1e6, p99Ms: latencies['99th'] / 1e6, perSecond: throughput };
}
