// Probes of an application as kubelet makes them: HTTP, TCP, gRPC, and commands.
import { execFile } from 'node:child_process';
import type { Place } from '../../base/explicit-mode.ts';
import { GrpcChannel } from '../../grpc/client/channel.ts';
import { ipAddress } from '../../net/address.ts';
import type { Engine } from '../../net/engine.ts';
import { askHttpOnce } from '../../net/http-request.ts';
import type { Resolver } from '../../net/resolver/resolver.ts';
import { decodeBinary } from '../../proto/binary-decode.ts';
import { encodeBinary } from '../../proto/binary-encode.ts';
import { registry } from '../../proto/registry.ts';

export type Probe =
  | {
      readonly kind: 'http';
      readonly path: string;
      readonly port: number;
      readonly isTls: boolean;
      /** '' for where the application is. */
      readonly host: string;
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'tcp'; readonly port: number; readonly host: string }
  | { readonly kind: 'grpc'; readonly port: number; readonly service: string }
  | { readonly kind: 'exec'; readonly command: readonly string[] };

export type ProbeParts = {
  readonly engine: Engine;
  readonly resolver: Resolver;
  /** Where the application is. */
  readonly host: string;
  /** Without redirect: where it listens for a port that a probe names. Nobody has to know whence probes come then. */
  readonly places?: Readonly<Record<string, Place>>;
};

export type ProbeResult = { readonly status: number; readonly body: Buffer; readonly reason: string };

/** Source: istio's agent: what comes from here is let through to the application as it is. */
const FROM_IPV4 = '127.0.0.6';
const FROM_IPV6 = '::6';
const MAX_BODY_BYTES = 10 * 1024;
const NOTHING = Buffer.alloc(0);
const OK: ProbeResult = Object.freeze({ status: 200, body: NOTHING, reason: '' });
const HEALTH_CHECK = '/grpc.health.v1.Health/Check';

/** Never fails: a status of 500 says that the application did not answer as it should. */
export function runProbe(
  probe: Probe,
  parts: ProbeParts,
  timeoutMs: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<ProbeResult> {
  if (probe.kind === 'exec') return execProbe(probe.command, timeoutMs);
  const place = isElsewhere(probe) ? undefined : parts.places?.[probe.port];
  const asked = place === undefined ? probe : { ...probe, port: place.port, host: place.address };
  const around = place === undefined ? parts : { ...parts, host: place.address };
  switch (asked.kind) {
    case 'http':
      return httpProbe(asked, around, timeoutMs, headers);
    case 'tcp':
      return tcpProbe(asked, around, timeoutMs);
    default:
      return grpcProbe(asked, around, timeoutMs);
  }
}

/** The host that a probe names is the workload's own, or that of somebody else. */
function isElsewhere(probe: Exclude<Probe, { kind: 'exec' }>): boolean {
  return 'host' in probe && !['', 'localhost', '127.0.0.1', '::1'].includes(probe.host);
}

function failed(reason: string): ProbeResult {
  return { status: 500, body: NOTHING, reason };
}

function sourceOf(host: string): string {
  return host.includes(':') ? FROM_IPV6 : FROM_IPV4;
}

async function httpProbe(
  probe: Extract<Probe, { kind: 'http' }>,
  parts: ProbeParts,
  timeoutMs: number,
  headers: Readonly<Record<string, string>>,
): Promise<ProbeResult> {
  const host = probe.host === '' ? parts.host : probe.host;
  const answer = await askHttpOnce({
    ...{ host, port: probe.port, path: probe.path.startsWith('/') ? probe.path : `/${probe.path}`, isTls: probe.isTls },
    ...{ headers: { ...headers, ...probe.headers }, timeoutMs, maxBytes: MAX_BODY_BYTES },
    ...(host === 'localhost' || parts.places !== undefined ? {} : { localAddress: sourceOf(host) }),
  });
  if ('error' in answer) return failed(answer.error);
  // Where it leads is not asked for: that the application answers is enough.
  if (answer.status >= 300 && answer.status < 400) return OK;
  return { status: answer.status, body: answer.body, reason: `status ${answer.status}` };
}

function tcpProbe(probe: Extract<Probe, { kind: 'tcp' }>, parts: ProbeParts, timeoutMs: number): Promise<ProbeResult> {
  const { engine } = parts;
  const host = addressOf(probe.host === '' ? parts.host : probe.host);
  return new Promise((resolve) => {
    engine.run(() => {
      const timer = engine.clock.timer(() => {
        pending.cancel();
        resolve(failed(`no connection within ${timeoutMs} ms`));
      }, null);
      timer.arm(timeoutMs);
      const source = parts.places === undefined ? { localAddress: ipAddress(sourceOf(host), 0) } : {};
      const pending = engine.connect(ipAddress(host, probe.port), source, (stream, failure) => {
        timer.disarm();
        stream?.close();
        resolve(stream === null ? failed(failure?.detail ?? 'no connection') : OK);
      });
    });
  });
}

function addressOf(host: string): string {
  return host === 'localhost' ? '127.0.0.1' : host;
}

function grpcProbe(
  probe: Extract<Probe, { kind: 'grpc' }>,
  parts: ProbeParts,
  timeoutMs: number,
): Promise<ProbeResult> {
  const { engine, resolver } = parts;
  const host = addressOf(parts.host);
  const target = host.includes(':') ? `[${host}]:${probe.port}` : `${host}:${probe.port}`;
  const source = parts.places === undefined ? { localAddress: ipAddress(sourceOf(host), 0) } : {};
  const request = encodeBinary(registry.message('grpc.health.v1.HealthCheckRequest'), {
    service: probe.service,
  } as never);
  return new Promise((resolve) => {
    engine.run(() => {
      const channel = new GrpcChannel({ engine, resolver }, { target, tls: null, ...source });
      channel.unary(HEALTH_CHECK, request, { timeoutMs }, (result) => {
        channel.close();
        if ('status' in result) {
          resolve(failed(`gRPC status ${result.status.code}: ${result.status.message}`));
          return;
        }
        const answer = decodeBinary(registry.message('grpc.health.v1.HealthCheckResponse'), result.bytes) as
          | { readonly status?: string }
          | undefined;
        resolve(answer?.status === 'SERVING' ? OK : failed(`the service is ${answer?.status ?? 'UNKNOWN'}`));
      });
    });
  });
}

function execProbe([command = '', ...args]: readonly string[], timeoutMs: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: timeoutMs }, (error) => resolve(error === null ? OK : failed(error.message)));
  });
}
