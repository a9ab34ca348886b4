// One proxy with its upstreams: runs a case and returns what was observed, normalised.
import { closeSync, mkdtempSync, openSync, readSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DnsServer } from '../support/dns-server.ts';
import { freePort } from '../support/free-ports.ts';
import { FullListener } from '../support/full-listener.ts';
import type { HeaderList, Message } from '../support/http1-reader.ts';
import { type Http2ClientOptions, type Http2ClientResult, runHttp2Client } from '../support/http2-client.ts';
import { startProxy } from '../support/proxy-process.ts';
import type { ProxyKind, ProxyProcess } from '../support/proxy-process.ts';
import { runClient } from '../support/raw-client.ts';
import type { ClientResult, ClientStep } from '../support/raw-client.ts';
import { RawUpstream } from '../support/raw-upstream.ts';
import type { ConnectionRecord, UpstreamScript } from '../support/raw-upstream.ts';
import type { TlsSessions } from '../support/tls-client.ts';
import { runDatagrams, UdpBackend } from '../support/udp-script.ts';
import { runRelay, type RelayRecord, type RelayStep } from '../support/relay-script.ts';
import type { TcpPeer } from '../support/tcp-peer.ts';
import type { Case, ClientScript, Group, Observation, SeenClient, SeenHttp2, SeenMessage } from './case.ts';
import { fillPlaceholders, placeholdersIn, toYaml } from './config.ts';
import { seenConnection, seenStreams } from './http2-seen.ts';
import { Normaliser } from './normalise.ts';

/** Counters of the codec of HTTP/2. */
const HTTP2_COUNTERS =
  'http2\\.(dropped_headers_with_underscores|goaway_sent|header_overflow|headers_cb_no_stream|inbound_.*|' +
  'keepalive_timeout|metadata_.*|outbound_(control_)?flood|requests_rejected.*|rx_.*|stream_.*_errors|trailers|tx_.*)';

/** Statistics whose change is compared in every case. */
const STANDARD_STATS =
  '^http\\.[^.]+\\.(downstream_rq_(total|completed|[1-5]xx|redirected_.*|overload_close|timeout|too_large|' +
  'non_relative_path|ws_on_non_ws_route|rejected_via_ip_detection|idle_timeout|header_timeout|rx_reset|' +
  'max_duration_reached|too_many_premature_resets|failed_path_normalization)|' +
  'downstream_cx_(total|protocol_error|destroy_remote_active_rq|destroy_local_active_rq|http[12]_total|' +
  'max_requests_reached|upgrades_total|idle_timeout|max_duration_reached)|' +
  'no_route|no_cluster|rq_(direct_response|redirect|total|reset_after_downstream_response_started|retry_skipped.*)|' +
  'rs_too_large|tracing.*|passthrough.*|fault\\..*|rbac\\..*|cors\\..*)$|' +
  '^cluster\\.[^.]+\\.(upstream_rq_(total|completed|[1-5]xx|[1-5]\\d\\d|timeout|per_try_timeout|rx_reset|tx_reset|' +
  'retry.*|pending_overflow|pending_failure_eject|cancelled|maintenance_mode|max_duration_reached|pending_total)|' +
  'upstream_cx_(connect_fail|connect_timeout|overflow|protocol_error|none_healthy|total|http[12]_total|max_requests|' +
  `idle_timeout|max_duration_reached|close_notify)|${HTTP2_COUNTERS}|external\\..*|internal\\..*|canary\\..*)$|` +
  `^vhost\\.|^http1\\.|^${HTTP2_COUNTERS}$|` +
  '^listener\\.[^.]+\\.(http\\..*|downstream_cx_total|no_filter_chain_match)|' +
  '\\.http_local_rate_limit\\.|^runtime\\.deprecated_feature_use$';

/** Until a watched file is noticed and its contents are in use. */
const FILE_SETTLE_MS = 300;
/** Six refreshes of the tables' DNS clusters. */
const DNS_SETTLE_MS = 300;

let barrierNumber = 0;

export class Side {
  readonly kind: ProxyKind;
  readonly #ports: ReadonlyMap<string, string | number>;
  readonly #upstreams: readonly RawUpstream[];
  readonly #udpBackends: readonly UdpBackend[];
  readonly #dnsServers: ReadonlyMap<string, DnsServer>;
  readonly #fullListeners: readonly FullListener[];
  readonly #directory: string;
  readonly #normaliser: Normaliser;
  readonly proxy: ProxyProcess;
  /** Of clients, for later cases too. */
  readonly #sessions: TlsSessions = new Map();
  #logOffset = 0;
  #stats = new Map<string, number>();
  /** Of answers to the case's clients. */
  #timeDigits = 0;
  #statsFilter = '';

  private constructor(
    kind: ProxyKind,
    ports: ReadonlyMap<string, string | number>,
    upstreams: readonly RawUpstream[],
    udpBackends: readonly UdpBackend[],
    dnsServers: ReadonlyMap<string, DnsServer>,
    fullListeners: readonly FullListener[],
    directory: string,
    proxy: ProxyProcess,
  ) {
    this.kind = kind;
    this.#ports = ports;
    this.#upstreams = upstreams;
    this.#udpBackends = udpBackends;
    this.#dnsServers = dnsServers;
    this.#fullListeners = fullListeners;
    this.#directory = directory;
    this.#normaliser = new Normaliser(new Map([...ports, ['admin', proxy.adminPort]]), directory);
    this.proxy = proxy;
  }

  static async start(kind: ProxyKind, group: Group): Promise<Side> {
    const directory = mkdtempSync(join(tmpdir(), 'heddle-diff-'));
    const template = typeof group.config === 'string' ? group.config : toYaml(group.config);
    const ports = new Map<string, string | number>([
      ['dir', directory],
      ['log', join(directory, 'access.log')],
    ]);
    const upstreams: RawUpstream[] = [];
    const udpBackends: UdpBackend[] = [];
    const dnsServers = new Map<string, DnsServer>();
    const fullListeners: FullListener[] = [];
    try {
      for (const name of placeholdersIn(template)) {
        if (ports.has(name)) continue;
        const port = await freePort();
        ports.set(name, port);
        if (name.startsWith('backend.')) {
          const upstream = new RawUpstream(name.slice('backend.'.length));
          upstream.tls = group.upstreamTls?.[upstream.name] ?? null;
          await upstream.listen(port);
          upstreams.push(upstream);
        } else if (name.startsWith('udp.')) {
          const backend = new UdpBackend(name.slice('udp.'.length), port);
          await backend.open();
          udpBackends.push(backend);
        } else if (name.startsWith('dns.')) {
          const server = await DnsServer.start(port);
          server.zone = group.dns?.[name.slice('dns.'.length)] ?? {};
          dnsServers.set(name.slice('dns.'.length), server);
        } else if (name.startsWith('full.')) fullListeners.push(await FullListener.start(port));
      }
      writeFiles(directory, group.files ?? {}, ports);
      const proxy = await startProxy(kind, fillPlaceholders(template, ports), directory, group.arguments);
      return new Side(kind, ports, upstreams, udpBackends, dnsServers, fullListeners, directory, proxy);
    } catch (error) {
      const all = [...upstreams, ...udpBackends, ...dnsServers.values(), ...fullListeners];
      await Promise.all(all.map((listener) => listener.close()));
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.proxy.stop();
    const all = [...this.#upstreams, ...this.#udpBackends, ...this.#dnsServers.values(), ...this.#fullListeners];
    await Promise.all(all.map((listener) => listener.close()));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async run(test: Case): Promise<unknown> {
    if (this.proxy.hasExited) throw new Error(`${this.kind} ended before this case:\n${this.proxy.output}`);
    const filter = [STANDARD_STATS, ...(test.stats ?? [])].join('|');
    if (filter !== this.#statsFilter) {
      this.#statsFilter = filter;
      this.#stats = await this.#readStats();
    }
    this.#beginUpstreams(test);
    if (test.files !== undefined) {
      writeFiles(this.#directory, test.files, this.#ports);
      await sleep(FILE_SETTLE_MS);
    }
    if (test.dns !== undefined) await this.#changeDns(test.dns);
    const datagrams = test.datagrams === undefined ? undefined : await this.#runDatagrams(test.datagrams);
    const relay = test.relay === undefined ? undefined : await this.#runRelay(test.relay, test);
    this.#timeDigits = 0;
    const clients = await this.#runClients(test);
    if (test.awaitRequests !== undefined) await this.#awaitComplete(test.awaitRequests);
    const admin = test.admin === undefined ? undefined : await this.#runAdmin(test.admin);
    if (test.settleMs !== undefined) await sleep(test.settleMs);
    const log = await this.#readLog();
    const records = await Promise.all(
      this.#upstreams.map(async (upstream) => [upstream.name, await upstream.endCase()] as const),
    );
    await this.#passBarrier();
    const stats = withoutTimeDigits(await this.#statsChange(test), this.#timeDigits);
    const observation: Observation = {
      clients,
      ...(datagrams === undefined ? {} : { datagrams }),
      ...(relay === undefined ? {} : { relay }),
      upstream: Object.fromEntries(records.map(([name, seen]) => [name, this.#seenRequests(seen)])),
      log,
      stats,
      ...(admin === undefined ? {} : { admin }),
    };
    if (this.#upstreams.some(({ tls }) => tls !== null)) {
      const seen = records.map(([name, each]) => [name, each.map((record) => record.tls ?? null)] as const);
      observation.upstreamTls = Object.fromEntries(seen);
    }
    const http2 = records.map(([name, each]) => [name, each.map((record) => seenHttp2(record, test))] as const);
    // A connection that nothing was said about may be one that was dialled in vain.
    if (http2.some(([, each]) => each.some((seen) => seen !== null && Object.keys(seen).length > 0))) {
      observation.upstreamHttp2 = Object.fromEntries(http2);
    }
    if (test.upstreamFate === true) {
      const fates = records.map(([name, seen]) => [name, seen.map(({ fate }) => fate)] as const);
      observation.upstreamFates = Object.fromEntries(fates);
    }
    return test.view === undefined ? observation : test.view(observation);
  }

  async #changeDns(zones: NonNullable<Case['dns']>): Promise<void> {
    for (const [name, zone] of Object.entries(zones)) {
      const server = this.#dnsServers.get(name);
      if (server === undefined) throw new Error(`the group has no DNS server ${name}`);
      server.zone = zone;
    }
    await sleep(DNS_SETTLE_MS);
  }

  #beginUpstreams(test: Case): void {
    const scripts = Array.isArray(test.upstream) ? { a: test.upstream } : (test.upstream ?? {});
    for (const upstream of this.#upstreams) {
      const next = test.upstreamTls?.[upstream.name];
      if (next !== undefined) upstream.tls = next;
      if (test.relay !== undefined) {
        upstream.beginCase({ replies: [], isManual: true });
        continue;
      }
      const script = (scripts as Readonly<Record<string, UpstreamScript | UpstreamScript['replies']>>)[upstream.name];
      const full = script === undefined ? { replies: [] } : 'replies' in script ? script : { replies: script };
      upstream.beginCase({ ...full, replies: full.replies.map((reply) => this.#fillReply(reply)) });
    }
  }

  #fillReply(reply: UpstreamScript['replies'][number]): UpstreamScript['replies'][number] {
    return typeof reply === 'string' ? fillPlaceholders(reply, this.#ports) : reply;
  }

  #runRelay(steps: readonly RelayStep[], test: Case): Promise<RelayRecord> {
    const accepted = (): TcpPeer[] =>
      this.#upstreams.flatMap((upstream) => upstream.peers).sort((a, b) => a.order - b.order);
    return runRelay(steps, {
      timeoutMs: test.timeoutMs ?? 4000,
      portOf: (listener) => this.#port(listener ?? test.to ?? 'main'),
      accepted,
      admin: (request) => this.proxy.admin(request.split(' ')[1]!, request.split(' ')[0]!),
    });
  }

  async #runClients(test: Case): Promise<SeenClient[]> {
    const single: readonly ClientStep[] =
      test.send === undefined ? [] : typeof test.send === 'string' ? [test.send, { read: 1 }] : test.send;
    const one = test.send === undefined ? [] : [{ steps: single }];
    const clients = test.clients ?? (test.http2 === undefined ? one : [{ http2: test.http2 }]);
    const timeoutMs = test.timeoutMs ?? 4000;
    let done = 0;
    const poll = async (condition: () => boolean): Promise<boolean> => {
      for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += 2) {
        if (condition()) return true;
        await sleep(2);
      }
      return false;
    };
    const options = {
      timeoutMs,
      probeMs: test.probeMs ?? 25,
      sessions: this.#sessions,
      awaitUpstream: (count: number) =>
        poll(() => this.#upstreams.reduce((sum, upstream) => sum + upstream.requestCount, 0) >= count),
      awaitClients: (count: number) => poll(() => done >= count),
      admin: (request: string) => this.proxy.admin(request.split(' ')[1]!, request.split(' ')[0]!),
    };
    return Promise.all(
      clients.map(async (client) => {
        const seen = await this.#runOne(client, test, options);
        done++;
        return seen;
      }),
    );
  }

  async #runOne(client: ClientScript, test: Case, options: Http2ClientOptions): Promise<SeenClient> {
    const port = this.#port(client.to ?? test.to ?? 'main');
    if ('http2' in client) return this.#seenHttp2(await runHttp2Client(port, client.http2, options), test);
    const steps = client.steps.map((step) => (typeof step === 'string' ? fillPlaceholders(step, this.#ports) : step));
    const own = client.from === undefined ? options : { ...options, localAddress: client.from };
    return this.#seenClient(await runClient(port, steps, own), test);
  }

  async #runDatagrams(steps: NonNullable<Case['datagrams']>): Promise<NonNullable<Observation['datagrams']>> {
    await Promise.all(this.#udpBackends.map((backend) => backend.beginCase()));
    return runDatagrams(steps, this.#udpBackends, (listener) => this.#port(listener));
  }

  #port(listener: string): number {
    if (listener === 'admin') return this.proxy.adminPort;
    const port = this.#ports.get(`listen.${listener}`);
    if (typeof port !== 'number') throw new Error(`the group has no listener ${listener}`);
    return port;
  }

  async #awaitComplete(count: number): Promise<void> {
    for (let waitedMs = 0; waitedMs < 2000; waitedMs += 2) {
      if (this.#upstreams.reduce((sum, upstream) => sum + upstream.completeCount, 0) >= count) return;
      await sleep(2);
    }
  }

  async #runAdmin(requests: readonly string[]): Promise<Observation['admin']> {
    const answers: NonNullable<Observation['admin']> = {};
    for (const request of requests) {
      const [method, path] = request.split(' ');
      const { status, headers, body } = await this.proxy.admin(path!, method!);
      const pairs = headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1]!] as const] : []));
      answers[request] = { status, headers: this.#seenHeaders(pairs), body: this.#normaliser.text(body) };
    }
    return answers;
  }

  /** Sends a request through the barrier listener: events before it were handled when its answer is there. */
  async #passBarrier(): Promise<number> {
    const number = ++barrierNumber;
    const request = `GET / HTTP/1.1\r\nhost: barrier\r\nx-barrier: ${number}\r\n\r\n`;
    const never = { timeoutMs: 2000, probeMs: 0, awaitUpstream: async () => true, awaitClients: async () => true };
    await runClient(this.#port('barrier'), [request, { read: 1 }], never);
    return number;
  }

  /** Passes the barrier and returns the log lines that stand before its line. */
  async #readLog(): Promise<string[]> {
    const number = await this.#passBarrier();
    const mark = `BARRIER ${number}\n`;
    let bytes = this.#tailLog();
    for (let waitedMs = 0; waitedMs < 2000 && !bytes.includes(mark); waitedMs += 3) {
      await sleep(3);
      bytes = this.#tailLog();
    }
    // Not the length of the text: what is no UTF-8 becomes longer.
    this.#logOffset += bytes.length;
    return bytes
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('BARRIER '))
      .map((line) => this.#normaliser.text(line));
  }

  #tailLog(): Buffer {
    let file: number;
    try {
      file = openSync(join(this.#directory, 'access.log'), 'r');
    } catch {
      return Buffer.alloc(0);
    }
    const buffer = Buffer.alloc(1 << 18);
    const length = readSync(file, buffer, 0, buffer.length, this.#logOffset);
    closeSync(file);
    return buffer.subarray(0, length);
  }

  async #readStats(): Promise<Map<string, number>> {
    const { body } = await this.proxy.admin(`/stats?filter=${encodeURIComponent(this.#statsFilter)}`);
    const stats = new Map<string, number>();
    for (const line of body.split('\n')) {
      const colon = line.lastIndexOf(': ');
      const value = Number(line.slice(colon + 2));
      if (colon > 0 && !Number.isNaN(value)) stats.set(line.slice(0, colon), value);
    }
    return stats;
  }

  async #statsChange(test: Case): Promise<Record<string, number>> {
    const before = this.#stats;
    this.#stats = await this.#readStats();
    const extra = test.stats === undefined ? null : new RegExp(test.stats.join('|'));
    const change: Record<string, number> = {};
    for (const [name, value] of this.#stats) {
      const delta = value - (before.get(name) ?? 0);
      if (delta === 0 || /\.(barrier|admin)\./.test(name)) continue;
      if (test.standardStats === false && extra?.test(name) !== true) continue;
      change[this.#normaliser.text(name)] = delta;
    }
    return change;
  }

  #seenClient(client: ClientResult, test: Case): SeenClient {
    for (const { headers } of client.responses) this.#timeDigits += timeDigits(headers);
    const seen: SeenClient = {
      responses: client.responses.map((message) => this.#seenMessage(message)),
      rest: this.#normaliser.body(client.rest),
      fate: client.fate,
      timedOut: client.timedOut,
      ...(client.tls === undefined ? {} : { tls: client.tls }),
    };
    if (test.elapsedToleranceMs !== undefined) seen.elapsedMs = Math.round(client.elapsedMs);
    return seen;
  }

  #seenHttp2(client: Http2ClientResult, test: Case): SeenClient {
    const { streams, connection, fate, timedOut, tls, elapsedMs } = client;
    return {
      responses: [],
      rest: '',
      streams: seenStreams(streams, (message) => this.#seenMessage(message)),
      http2: seenConnection(connection, test.http2Settings),
      fate,
      timedOut,
      ...(tls === undefined ? {} : { tls }),
      ...(test.elapsedToleranceMs === undefined ? {} : { elapsedMs: Math.round(elapsedMs) }),
    };
  }

  #seenRequests(records: readonly ConnectionRecord[]): Observation['upstream'][string] {
    return records.flatMap((record, connection) =>
      record.requests.map((message) => {
        // A tunnel is complete when it is closed, which may be now or a moment later.
        const complete = message.complete || message.framing === 'raw';
        return { connection, ...this.#seenMessage(message), complete };
      }),
    );
  }

  #seenMessage(message: Message): SeenMessage {
    return {
      line: this.#normaliser.text(message.startLine),
      headers: this.#seenHeaders(message.headers),
      body: this.#normaliser.body(message.body),
      trailers: this.#seenHeaders(message.trailers),
      complete: message.complete,
      ...(message.error === null ? {} : { error: message.error }),
    };
  }

  #seenHeaders(headers: HeaderList): Record<string, string[]> {
    const seen: Record<string, string[]> = {};
    for (const [name, value] of headers) (seen[name] ??= []).push(this.#normaliser.header(name, value));
    return seen;
  }
}

/** How much longer an answer is because it took 10 ms or more. */
function timeDigits(headers: HeaderList): number {
  const times = headers.filter(([name]) => name.toLowerCase() === 'x-envoy-upstream-service-time');
  return times.reduce((sum, [, ms]) => sum + ms.length - 1, 0);
}

/** Bytes sent to clients as if no answer had taken 10 ms. */
function withoutTimeDigits(stats: Readonly<Record<string, number>>, digits: number): Record<string, number> {
  const sent = Object.keys(stats).filter((name) => /^http\..*\.downstream_cx_tx_bytes_total$/.test(name));
  const [only = ''] = sent;
  return sent.length === 1 ? { ...stats, [only]: (stats[only] as number) - digits } : { ...stats };
}

function seenHttp2({ http2 }: ConnectionRecord, test: Case): SeenHttp2 | null {
  return http2 === undefined ? null : seenConnection(http2, test.http2Settings);
}

/** Replaces each file as a whole, as whoever rotates secrets must. */
function writeFiles(
  directory: string,
  files: Readonly<Record<string, string>>,
  values: ReadonlyMap<string, string | number>,
): void {
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(directory, `.${name}.new`), fillPlaceholders(text, values));
    renameSync(join(directory, `.${name}.new`), join(directory, name));
  }
}
