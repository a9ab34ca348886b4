// A control plane of the test's own over TLS, and agents with a real Envoy each, as processes.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { AdsServer } from '../support/ads-server.ts';
import { CertificateAuthority } from '../support/certificate-authority.ts';
import { makeCa, makeCertificate, type TestCertificate } from '../support/certificates.ts';
import { findEnvoy, PROJECT_ROOT } from '../support/find-envoy.ts';
import { freePort } from '../support/free-ports.ts';
import { testContext } from '../support/tls-handshake.ts';

export const CLUSTER = 'envoy.config.cluster.v3.Cluster';
export const LISTENER = 'envoy.config.listener.v3.Listener';
export const CONTROL_NAME = 'istiod.istio-system.svc';

const live = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

/** Where agents join. */
export type AgentPlace = {
  readonly directory: string;
  readonly rootPath: string;
  readonly discovery: string;
  readonly authorityAddress: string;
  /** A file with a token of 'namespace/account'. */
  token(who: string): string;
};

/** The authority and the discovery server, each on a port of its own, with certificates under one root. */
export class TestControl implements AgentPlace {
  readonly directory = mkdtempSync(join(tmpdir(), 'heddle-agent-'));
  readonly root: TestCertificate = makeCa('root');
  readonly rootPath: string;
  readonly ads: AdsServer;
  readonly authority: CertificateAuthority;
  /** Whose token it is, by token: 'ns/sa'. */
  readonly tokens = new Map<string, string>();

  constructor() {
    this.rootPath = join(this.directory, 'root-cert.pem');
    writeFileSync(this.rootPath, this.root.pem);
    const certificate = makeCertificate({ issuer: this.root, sans: [{ dns: CONTROL_NAME }] });
    const context = testContext(true, { certificate, context: { trustedCa: Buffer.from(this.root.pem) } });
    const tls = {
      ...{ context: () => context, requestsCertificate: true, requiresCertificate: false },
      verify: ({ peerCertificate, chainError }: { peerCertificate: unknown; chainError: string }) =>
        peerCertificate === null || chainError === '' ? null : chainError,
    };
    this.ads = new AdsServer(0, { tls });
    this.authority = new CertificateAuthority({ tls });
    this.authority.root = this.root;
    this.authority.identify = (token, peerUri) => {
      const who = this.tokens.get(token.replace('Bearer ', ''));
      if (who === undefined) return peerUri === '' ? null : peerUri;
      return `spiffe://cluster.local/ns/${who.replace('/', '/sa/')}`;
    };
  }

  get discovery(): string {
    return `localhost:${this.ads.port}`;
  }
  get authorityAddress(): string {
    return `localhost:${this.authority.port}`;
  }

  /** A file with a token of its own. */
  token(who: string): string {
    const text = `token-${this.tokens.size}`;
    this.tokens.set(text, who);
    const path = join(this.directory, text);
    writeFileSync(path, `${text}\n`);
    return path;
  }

  stop(): void {
    this.ads.stop();
    this.authority.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export type AgentPorts = { admin: number; status: number; proxyStatus: number; prometheus: number };

export class TestAgent {
  readonly name: string;
  readonly ports: AgentPorts;
  readonly directory: string;
  readonly child: ChildProcess;
  output = '';

  private constructor(name: string, ports: AgentPorts, directory: string, child: ChildProcess) {
    this.name = name;
    this.ports = ports;
    this.directory = directory;
    this.child = child;
    live.add(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    child.once('exit', () => live.delete(child));
  }

  static async start(
    control: AgentPlace,
    name: string,
    options: {
      readonly flags?: readonly string[];
      readonly variables?: Readonly<Record<string, string>>;
      readonly role?: 'sidecar' | 'router';
      /** null: Heddle's own proxy. */
      readonly envoy?: string | null;
      /** null: none. */
      readonly token?: string | null;
    } = {},
  ): Promise<TestAgent> {
    const envoy = findEnvoy();
    const [admin, status, proxyStatus, prometheus] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const directory = join(control.directory, name);
    const proxyConfig = { proxyAdminPort: admin, statusPort: status, concurrency: 1, terminationDrainDuration: '1s' };
    const token = options.token === undefined ? control.token(`shop/${name}`) : options.token;
    const args = [
      ...['agent', 'proxy', options.role ?? 'sidecar'],
      ...(options.envoy === null ? [] : ['--envoy', options.envoy ?? envoy.path ?? '']),
      ...['--discovery', control.discovery, '--ca-address', control.authorityAddress],
      ...['--root-ca', control.rootPath, '--uds', join(directory, 'uds'), '--configPath', join(directory, 'proxy')],
      ...(token === null ? [] : ['--token', token]),
      ...(options.flags ?? []),
    ];
    const child = spawn(join(PROJECT_ROOT, 'bin', 'heddle'), args, {
      cwd: control.directory,
      env: {
        ...process.env,
        POD_NAME: name,
        POD_NAMESPACE: 'shop',
        SERVICE_ACCOUNT: name,
        INSTANCE_IP: '127.0.0.1',
        ISTIOD_SAN: CONTROL_NAME,
        PROXY_CONFIG: JSON.stringify(proxyConfig),
        ENVOY_STATUS_PORT: String(proxyStatus),
        ENVOY_PROMETHEUS_PORT: String(prometheus),
        ...options.variables,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ports = { admin, status, proxyStatus, prometheus };
    return new TestAgent(name, ports, directory, child);
  }

  get nodeId(): string {
    return `sidecar~127.0.0.1~${this.name}.shop~shop.svc.cluster.local`;
  }

  async get(port: number, path: string, method = 'GET'): Promise<{ status: number; body: string }> {
    try {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, signal: AbortSignal.timeout(5000) });
      return { status: response.status, body: await response.text() };
    } catch (error) {
      return { status: 0, body: String((error as Error).cause ?? error) };
    }
  }

  /** Asks until it is so. */
  async until(what: string, test: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
    const end = Date.now() + timeoutMs;
    while (!(await test())) {
      if (Date.now() > end) throw new Error(`${this.name}: ${what} did not come\n${this.output.slice(-4000)}`);
      await sleep(25);
    }
  }

  answers(port: number, path = '/'): Promise<void> {
    return this.until(`an answer on ${port}${path}`, async () => (await this.get(port, path)).status === 200);
  }

  get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!this.hasExited) {
      this.child.kill(signal);
      await this.until('the end', () => this.hasExited);
    }
    return this.child.exitCode;
  }
}

export function canRunEnvoy(): boolean {
  const { path } = findEnvoy();
  return path !== null && existsSync(path);
}

// ─── What the proxies are told ──────────────────────────────────────────────────────────────────────────────────────

const HTTP = 'type.googleapis.com/envoy.extensions.filters.';
const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.';

/** Resources by name, as the discovery server of the test takes them. */
export function resources(type: string, ...all: readonly object[]): Record<string, object> {
  const made = all.map((json) => {
    const report = new Report();
    const message = fromJson(registry.message(type), json, report) as { readonly name: string };
    if (!report.isEmpty) throw new Error(report.toString());
    return [message.name, message];
  });
  return Object.fromEntries(made) as Record<string, object>;
}

function sds(name: string): object {
  return {
    name,
    sds_config: {
      resource_api_version: 'V3',
      initial_fetch_timeout: '0s',
      api_config_source: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
      },
    },
  };
}

function common(certificate: string): object {
  return {
    tls_certificate_sds_secret_configs: [sds(certificate)],
    combined_validation_context: {
      default_validation_context: {
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { prefix: 'spiffe://cluster.local/' } }],
      },
      validation_context_sds_secret_config: sds('ROOTCA'),
    },
  };
}

export function listener(port: number, action: object, isMutual: boolean, certificate = 'default'): object {
  const manager = {
    stat_prefix: 'test',
    route_config: {
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, ...action }] }],
    },
    http_filters: [{ name: 'router', typed_config: { '@type': `${HTTP}http.router.v3.Router` } }],
  };
  return {
    name: `port-${port}`,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        filters: [
          {
            name: 'http',
            typed_config: {
              '@type': `${HTTP}network.http_connection_manager.v3.HttpConnectionManager`,
              ...manager,
            },
          },
        ],
        ...(isMutual
          ? {
              transport_socket: {
                name: 'tls',
                typed_config: {
                  '@type': `${TLS}DownstreamTlsContext`,
                  common_tls_context: common(certificate),
                  require_client_certificate: true,
                },
              },
            }
          : {}),
      },
    ],
  };
}

export function cluster(name: string, port: number, isMutual: boolean): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }],
        },
      ],
    },
    ...(isMutual
      ? {
          transport_socket: {
            name: 'tls',
            typed_config: { '@type': `${TLS}UpstreamTlsContext`, common_tls_context: common('default') },
          },
        }
      : {}),
  };
}
