// What a differential case and a group of cases are: one configuration, the bytes to send, and what is compared.
import type { TlsOptions } from 'node:tls';
import type { DnsZone } from '../support/dns-server.ts';
import type { Http2Step } from '../support/http2-client.ts';
import type { ClientStep } from '../support/raw-client.ts';
import type { Reply, SeenTlsClient, UpstreamScript } from '../support/raw-upstream.ts';
import type { RelayRecord, RelayStep } from '../support/relay-script.ts';
import type { SeenTls } from '../support/tls-client.ts';
import type { DatagramStep, SeenDatagrams } from '../support/udp-script.ts';

export type { Http2Step } from '../support/http2-client.ts';
export type { Http2Field } from '../support/http2-hpack.ts';
export type { Http2Action, Http2Reply, Http2Script } from '../support/http2-upstream.ts';
export type { ClientStep } from '../support/raw-client.ts';
export type { RelayStep } from '../support/relay-script.ts';
export type { Reply, ReplyAction, UpstreamScript } from '../support/raw-upstream.ts';

export type ClientScript =
  | { readonly to?: string; readonly from?: string; readonly steps: readonly ClientStep[] }
  | { readonly to?: string; readonly http2: readonly Http2Step[] };

export type Case = {
  readonly name: string;
  /** The listener to connect to, or `admin`; the group's default is `main`. */
  readonly to?: string;
  /** One connection; a text is sent whole and one response is read. */
  readonly send?: string | readonly ClientStep[];
  /** One connection of HTTP/2, instead of `send`. */
  readonly http2?: readonly Http2Step[];
  /** Compares what both ends of HTTP/2 announce first. */
  readonly http2Settings?: boolean;
  /** Several connections at once, `from` loopback addresses; steps order them. */
  readonly clients?: readonly ClientScript[];
  /** Steps of datagram clients and backends, before the connections of the case. */
  readonly datagrams?: readonly DatagramStep[];
  /** Clients and backends without HTTP, led step by step; instead of `send`, `clients` and `upstream`. */
  readonly relay?: readonly RelayStep[];
  /** What the DNS servers of the group say from now on; the case begins once the clusters have heard it. */
  readonly dns?: Readonly<Record<string, DnsZone>>;
  /** Files in the directory of the case's group that change now, by name; each is replaced as a whole. */
  readonly files?: Readonly<Record<string, string>>;
  /** TLS of backends from now on, by name; null: plain text. */
  readonly upstreamTls?: Readonly<Record<string, TlsOptions | null>>;
  /** Replies of backend `a`, or scripts by backend name. */
  readonly upstream?: readonly Reply[] | Readonly<Record<string, UpstreamScript | readonly Reply[]>>;
  /** Waits after the clients are done until the backends received so many complete requests (mirrors). */
  readonly awaitRequests?: number;
  /** Regular expressions of further statistics whose change is compared. */
  readonly stats?: readonly string[];
  /** False where the change of the standard statistics depends on timing. */
  readonly standardStats?: boolean;
  /** False where what the case does stays done, so that to run it again would prove nothing. */
  readonly isRepeatable?: false;
  /** Watches an idle connection so long for a close. */
  readonly probeMs?: number;
  readonly timeoutMs?: number;
  /** Waits so long after the clients are done. */
  readonly settleMs?: number;
  /** Compares how each upstream connection ended; needs a settled case. */
  readonly upstreamFate?: boolean;
  /** Compares the time of each client with this tolerance. */
  readonly elapsedToleranceMs?: number;
  /** Admin requests (`METHOD path`) made after the clients; their answers are compared. */
  readonly admin?: readonly string[];
  /** Projects the observation to what is comparable (relative order, keys only, …). */
  readonly view?: (observation: Observation) => unknown;
};

export type Group = {
  readonly name: string;
  /**
   * The configuration; placeholders are `{{listen.NAME}}`, `{{backend.NAME}}`, `{{udp.NAME}}` (a datagram backend),
   * `{{dns.NAME}}` (a DNS server), `{{free.NAME}}`, `{{full.NAME}}`, `{{log}}` and `{{dir}}`.
   */
  readonly config: unknown;
  /** What its DNS servers say when the proxy starts, by their names. */
  readonly dns?: Readonly<Record<string, DnsZone>>;
  /** Files in `{{dir}}` when the proxy starts, by name; texts have placeholders too. */
  readonly files?: Readonly<Record<string, string>>;
  /** Backends that speak TLS, by name. */
  readonly upstreamTls?: Readonly<Record<string, TlsOptions>>;
  readonly cases: readonly Case[];
  readonly arguments?: readonly string[];
};

export type SeenMessage = {
  line: string;
  headers: Record<string, string[]>;
  body: string;
  trailers: Record<string, string[]>;
  complete: boolean;
  error?: string;
};

export type SeenClient = {
  responses: SeenMessage[];
  rest: string;
  fate: string;
  timedOut: string[];
  elapsedMs?: number;
  tls?: SeenTls;
  /** Of HTTP/2, by number of the stream: 1xx and what followed. */
  streams?: Record<string, SeenMessage[]>;
  http2?: SeenHttp2;
};

/** What an end of an HTTP/2 connection saw of the connection itself. */
export type SeenHttp2 = {
  settings?: Record<string, number> | null;
  firstCredit?: number;
  laterSettings?: Record<string, number>[];
  goaways?: string[];
  pongs?: string[];
  errors?: string[];
};

export type SeenRequest = SeenMessage & { connection: number };

export type Observation = {
  clients: SeenClient[];
  relay?: RelayRecord;
  datagrams?: SeenDatagrams;
  upstream: Record<string, SeenRequest[]>;
  upstreamFates?: Record<string, string[]>;
  /** What backends saw of connections with HTTP/2; null for others. */
  upstreamHttp2?: Record<string, (SeenHttp2 | null)[]>;
  /** What backends that speak TLS saw of each connection. */
  upstreamTls?: Record<string, (SeenTlsClient | null)[]>;
  log: string[];
  stats: Record<string, number>;
  admin?: Record<string, { status: number; headers: Record<string, string[]>; body: string }>;
};
