// Heddle with HTTPS listeners, and clients that keep and resume sessions.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  bootstrap,
  direct,
  type Fields,
  fillPlaceholders,
  placeholdersIn,
  textLog,
  toYaml,
} from '../differential/config.ts';
import { https, type TlsContext } from '../differential/cases/tls-fixtures.ts';
import { freePort } from '../support/free-ports.ts';
import { type ProxyKind, type ProxyProcess, startProxy } from '../support/proxy-process.ts';
import { type ClientResult, type ClientStep, runClient } from '../support/raw-client.ts';
import type { TlsClientOptions, TlsSessions } from '../support/tls-client.ts';
import { scratchFolder } from './heddle.ts';

/** Tells who the proxy thinks the client is. */
const ANSWER = direct({ prefix: '/' }, 200, 'ok', {
  response_headers_to_add: [{ header: { key: 'x-peer', value: '%DOWNSTREAM_PEER_SUBJECT%' } }],
});

export const REQUEST = 'GET / HTTP/1.1\r\nhost: test.example\r\n\r\n';
const TIMEOUT_MS = 4000;
const always = async (): Promise<boolean> => true;

/** What an exchange came to: whom the proxy took the client for ('' for nobody); null when it was refused. */
export type Outcome = { readonly isResumed: boolean; readonly peer: string | null; readonly error: string };

export type AskOptions = TlsClientOptions & { readonly awaitSession?: boolean };

export class TlsRig {
  readonly proxy: ProxyProcess;
  readonly directory: string;
  readonly sessions: TlsSessions = new Map();
  readonly #ports: ReadonlyMap<string, string | number>;

  private constructor(proxy: ProxyProcess, directory: string, ports: ReadonlyMap<string, string | number>) {
    this.proxy = proxy;
    this.directory = directory;
    this.#ports = ports;
  }

  /** `files` stand in `{{dir}}`; `listeners` are added to those of `contexts`. */
  static async start(
    contexts: Readonly<Record<string, TlsContext>>,
    parts: {
      readonly files?: Readonly<Record<string, string>>;
      readonly listeners?: readonly Fields[];
      readonly clusters?: readonly Fields[];
      readonly arguments?: readonly string[];
      readonly kind?: ProxyKind;
    } = {},
  ): Promise<TlsRig> {
    const directory = scratchFolder();
    const own = Object.entries(contexts).map(([name, tls]) => httpsListener(name, tls));
    const listeners = [...own, ...(parts.listeners ?? [])];
    const template = toYaml(bootstrap({ listeners, clusters: parts.clusters ?? [] }));
    const values = new Map<string, string | number>([
      ['dir', directory],
      ['log', join(directory, 'access.log')],
    ]);
    for (const name of placeholdersIn(template)) if (!values.has(name)) values.set(name, await freePort());
    for (const [name, text] of Object.entries(parts.files ?? {})) writeFileSync(join(directory, name), text);
    const config = fillPlaceholders(template, values);
    const proxy = await startProxy(parts.kind ?? 'heddle', config, directory, parts.arguments);
    return new TlsRig(proxy, directory, values);
  }

  port(listener: string): number {
    return this.#ports.get(`listen.${listener}`) as number;
  }

  /** Replaces a file as a whole. */
  write(name: string, text: string): void {
    writeFileSync(join(this.directory, `.${name}.new`), text);
    renameSync(join(this.directory, `.${name}.new`), join(this.directory, name));
  }

  /** One connection and one request. */
  async ask(listener: string, options: AskOptions = {}): Promise<Outcome> {
    // Who saves a session waits for the tickets, which TLS 1.3 sends behind the handshake; some give none.
    const settle: ClientStep[] =
      options.save === undefined ? [] : [options.awaitSession === false ? { wait: 10 } : { readSession: options.save }];
    const result = await this.run(listener, [{ tls: options }, REQUEST, { read: 1 }, ...settle]);
    const answer = result.responses[0];
    const named = answer?.headers.find(([name]) => name === 'x-peer')?.[1] ?? '';
    const peer = answer === undefined ? null : named;
    return { isResumed: result.tls?.isResumed ?? false, peer, error: result.tls?.error ?? '' };
  }

  run(listener: string, steps: readonly ClientStep[]): Promise<ClientResult> {
    const { sessions } = this;
    const options = { timeoutMs: TIMEOUT_MS, probeMs: 0, sessions, awaitUpstream: always, awaitClients: always };
    return runClient(this.port(listener), steps, options);
  }

  async stat(name: string): Promise<number> {
    const { body } = await this.proxy.admin(`/stats?filter=^${name.replaceAll('.', '\\.')}$`);
    return Number(body.split(': ')[1] ?? 0);
  }

  stop(): Promise<void> {
    return this.proxy.stop();
  }
}

export function httpsListener(name: string, tls: TlsContext): Fields {
  return https({ name, tls, routes: [ANSWER], log: [textLog('%RESPONSE_CODE%\n')] });
}
