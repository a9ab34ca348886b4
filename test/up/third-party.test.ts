// Programs that nobody wrote for a mesh, unmodified, as workloads: HTTP, TCP where the client speaks first and where
// the server does, large bodies, and connections that stay while the mesh changes under them.
import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { locatePeer } from '../../scripts/peers.ts';
import { arePeersRequired, PROJECT_ROOT } from '../support/find-envoy.ts';
import { directoryWith, leftBehind, start, type Started } from './mesh-rig.ts';

const TESTDATA = join(import.meta.dirname, 'testdata/third-party');
const CAPTURES = ['namespaces', 'explicit'] as const;
type Capture = (typeof CAPTURES)[number];

type Program = {
  readonly name: string;
  readonly service: string;
  readonly peers: readonly string[];
  /** A script that moves 10 MB each way, or as much as the protocol has in a message, and says `bulk BYTES`. */
  readonly bulk: string;
  readonly environment?: string;
};

const MEGABYTES_10 = 10 * 1024 * 1024;
const PROGRAMS: readonly Program[] = [
  {
    name: 'go-httpbin',
    service: 'httpbin',
    peers: ['go-httpbin', 'curl'],
    environment: '{ MAX_BODY_SIZE: 20000000 }',
    bulk: `post() { curl -sS -m 60 -H 'content-type: text/plain' --data-binary @$HOME/body http://httpbin:8000/post; }
say $(post | tr -dc x | wc -c)`,
  },
  {
    name: 'redis',
    service: 'redis',
    peers: ['redis-server', 'redis-cli'],
    bulk: `call() { redis-cli -h "\${REDIS_HOST:-redis}" -p "\${REDIS_PORT:-6379}" "$@"; }
call -x SET bulk <$HOME/body
say $(call GET bulk | tr -dc x | wc -c)`,
  },
  {
    name: 'postgres',
    service: 'postgres',
    peers: ['postgres', 'psql'],
    bulk: `select="select repeat('x', ${MEGABYTES_10})"
call() { psql -h "\${POSTGRES_HOST:-postgres}" -p "\${POSTGRES_PORT:-5432}" -U mesh -d postgres -Atqc "$1"; }
say $(call "$select" | tr -dc x | wc -c)`,
  },
  {
    name: 'nats',
    service: 'nats',
    peers: ['nats-server'],
    // A message has 1 MB at most: ten of them, to itself.
    bulk: `node bulk.mjs || sleep 0.5`,
  },
];

/** Programs are started beside each other: whoever calls early calls again. */
const bulkScript = (round: string): string => `say() {
  echo bulk $1
  [ "$1" = 0 ] || exec sleep 1000
  sleep 0.5
}
head -c ${MEGABYTES_10} /dev/zero | tr '\\0' x >$HOME/body
while :; do
${round}
done
`;

const NATS_BULK = `import { connect } from 'node:net';
const socket = connect(Number(process.env.NATS_PORT), process.env.NATS_HOST);
const payload = 'x'.repeat(1024 * 1024);
let bytes = 0;
let greeted = false;
socket.on('data', (chunk) => {
  if (!greeted) {
    greeted = true;
    socket.write('CONNECT {"verbose":false,"echo":true}\\r\\nSUB bulk 1\\r\\n');
    for (let n = 0; n < 10; n++) socket.write('PUB bulk ' + payload.length + '\\r\\n' + payload + '\\r\\n');
  }
  for (const byte of chunk) if (byte === 0x78) bytes++;
  if (bytes >= 10 * payload.length) {
    console.log('bulk ' + bytes);
    bytes = -Infinity;
    setInterval(() => {}, 1000);
  }
});
`;

/** A change that every proxy of the mesh is told of: clusters, and what callers are let in. */
const CHANGE = (service: string): string => `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${service}, namespace: third-party }
spec: { host: ${service}, trafficPolicy: { connectionPool: { tcp: { connectTimeout: 3s } } } }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${service}, namespace: third-party }
spec:
  selector: { matchLabels: { app: ${service} } }
  rules: [{ from: [{ source: { principals: ['*/sa/client', '*/sa/bulk'] } }] }]
`;

function missingOf({ peers }: Program): string[] {
  return peers.flatMap((name) => {
    const state = locatePeer(name);
    return 'missing' in state ? [`${name}: ${state.missing}`] : [];
  });
}

function meshOf(t: TestContext, program: Program): string {
  const directory = directoryWith(t, { 'bulk.sh': bulkScript(program.bulk), 'bulk.mjs': NATS_BULK });
  cpSync(join(TESTDATA, program.name), directory, { recursive: true });
  const file = join(directory, 'heddle.yaml');
  const own = `  ${program.service}:\n`;
  const variables = program.environment === undefined ? '' : `    environment: ${program.environment}\n`;
  const text = readFileSync(file, 'utf8').replace(own, `${own}${variables}`);
  writeFileSync(file, `${text.trimEnd()}\n    environment: { PAUSE: "0.3" }\n  bulk:\n    command: sh bulk.sh\n`);
  return directory;
}

async function rounds(mesh: Started, atLeast: number): Promise<void> {
  const had = [...mesh.printed.matchAll(/client-1 +\| ok /g)].length;
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(50)) {
    if ([...mesh.printed.matchAll(/client-1 +\| ok /g)].length >= had + atLeast) return;
  }
  throw new Error(`not ${atLeast} more rounds went well:\n${mesh.printed}`);
}

/** Peers that the server's proxy named in its log. */
function peersSeen(directory: string, service: string): Set<string> {
  const lines = readFileSync(join(directory, `.heddle/logs/${service}-1.proxy.log`), 'utf8').split('\n');
  const requests = lines.filter((line) => line[0] === '{').map((line) => JSON.parse(line) as Record<string, unknown>);
  return new Set(
    requests
      .filter(({ upstream_cluster }) => String(upstream_cluster).startsWith('inbound|'))
      .map(({ downstream_peer_uri_san }) => String(downstream_peer_uri_san)),
  );
}

async function check(t: TestContext, program: Program, capture: Capture): Promise<void> {
  const directory = meshOf(t, program);
  const path = [join(PROJECT_ROOT, '.peers/bin'), process.env['PATH'] ?? ''].join(delimiter);
  const words = ['up', directory, '--capture', capture, '--page-port', '0'];
  const mesh = start(t, words, { environment: { PATH: path } });
  await mesh.ready();
  const [, bytes = ''] = await mesh.said(/bulk-1 +\| bulk ([1-9]\d*)/);
  ok(Number(bytes) >= MEGABYTES_10 && Number(bytes) < MEGABYTES_10 + 1000, `${bytes} of ${MEGABYTES_10} bytes`);
  await rounds(mesh, 2);
  const before = mesh.printed.length;
  writeFileSync(join(directory, 'mesh/change.yaml'), CHANGE(program.service));
  // It is live within a fraction of a second; the rounds take longer.
  await rounds(mesh, 6);
  equal(/client-1 +\| failed/.test(mesh.printed.slice(before)), false, mesh.printed.slice(before));
  const spiffe = (account: string): string => `spiffe://cluster.local/ns/third-party/sa/${account}`;
  ok(
    peersSeen(directory, program.service).has(spiffe('client')),
    `${capture}: its proxy saw ${[...peersSeen(directory, program.service)]}`,
  );
  // The same rule without the client: what it says is in force.
  const denying = CHANGE(program.service).replace("'*/sa/client', ", '');
  writeFileSync(join(directory, 'mesh/change.yaml'), denying);
  await mesh.said(/client-1 +\| failed/);
  equal((await mesh.stop()).code, 0);
  for (const peer of peersSeen(directory, program.service))
    match(peer, /^spiffe:\/\/cluster\.local\/ns\/third-party\/sa\//);
}

for (const program of PROGRAMS) {
  test(`${program.name} as it is, in both ways of catching calls at once`, async (t) => {
    const missing = missingOf(program);
    if (missing.length > 0) {
      if (arePeersRequired()) throw new Error(missing.join('; '));
      return t.skip(missing.join('; '));
    }
    if (process.getuid?.() !== 0 && program.name === 'postgres') return t.skip('needs root, to be another user');
    await Promise.all(CAPTURES.map((capture) => check(t, program, capture)));
    deepEqual(await leftBehind(''), []);
  });
}
