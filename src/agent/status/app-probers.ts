// Probes of the application that the agent makes in kubelet's place, as injection rewrote them.
import type { Probe } from './probe.ts';

export type AppProber = { readonly probe: Probe; readonly timeoutMs: number };

const PATH = /^\/(?:app-health|app-lifecycle)\/[^/]+\/(?:livez|readyz|startupz|prestopz|poststartz)$/;

type HttpGet = {
  readonly path?: string;
  readonly port?: unknown;
  readonly scheme?: string;
  readonly host?: string;
  readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[];
};
export type ProbeJson = {
  readonly httpGet?: HttpGet;
  readonly tcpSocket?: { readonly port?: unknown; readonly host?: string };
  readonly grpc?: { readonly port?: unknown; readonly service?: string };
  readonly exec?: { readonly command?: readonly string[] };
  readonly timeoutSeconds?: number;
};

/** Source: istio pilot-agent status/server.go; the text is ISTIO_KUBE_APP_PROBERS. */
export function readAppProbers(text: string): ReadonlyMap<string, AppProber> | { readonly error: string } {
  if (text === '') return new Map();
  let parsed: Record<string, ProbeJson>;
  try {
    parsed = JSON.parse(text) as Record<string, ProbeJson>;
  } catch {
    return { error: 'it is no JSON' };
  }
  const probers = new Map<string, AppProber>();
  for (const [path, json] of Object.entries(parsed)) {
    if (!PATH.test(path)) return { error: `the path ${path} is none of a probe` };
    const probe = readProbe(json);
    if (typeof probe === 'string') return { error: `${path}: ${probe}` };
    probers.set(path, { probe, timeoutMs: Math.max(1, json.timeoutSeconds ?? 1) * 1000 });
  }
  return probers;
}

/** A text says what is wrong. */
export function readProbe({ httpGet, tcpSocket, grpc, exec }: ProbeJson): Probe | string {
  if ([httpGet, tcpSocket, grpc, exec].filter((one) => one !== undefined).length !== 1) {
    return 'one of httpGet, tcpSocket, grpc and exec is wanted';
  }
  if (exec !== undefined) return { kind: 'exec', command: exec.command ?? [] };
  const port = Number((httpGet ?? tcpSocket ?? grpc)?.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return 'the port must be a number';
  if (tcpSocket !== undefined) return { kind: 'tcp', port, host: tcpSocket.host ?? '' };
  if (grpc !== undefined) return { kind: 'grpc', port, service: grpc.service ?? '' };
  const { path = '/', scheme = 'HTTP', host = '', httpHeaders = [] } = httpGet as HttpGet;
  const headers = Object.fromEntries(httpHeaders.map(({ name, value }) => [name, value]));
  return { kind: 'http', path, port, isTls: scheme.toUpperCase() === 'HTTPS', host, headers };
}
