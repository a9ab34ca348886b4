// A server of virtual hosts (VHDS) that answers for hosts that are asked for, and what tests of routes on demand share.
import { request } from 'node:http';
import type { DeltaDiscoveryResponse } from '../../src/proto/generated/types.d.ts';
import { fromJson } from '../../src/proto/json-decode.ts';
import { registry } from '../../src/proto/registry.ts';
import { Report } from '../../src/proto/report.ts';
import { typeUrlOf } from '../../src/proto/type-url.ts';
import type { AdsRequest, AdsServer } from '../support/ads-server.ts';
import { resource } from '../support/ads-server.ts';
import type { AdsStream } from '../support/ads-stream.ts';
import type { ProxyProcess } from '../support/proxy-process.ts';
import type { Json } from './heddle.ts';
import { typed } from './xds-types-rig.ts';

export const VIRTUAL_HOST = 'envoy.config.route.v3.VirtualHost';
export const SCOPE = 'envoy.config.route.v3.ScopedRouteConfiguration';

export const ON_DEMAND: Json = {
  name: 'on_demand',
  typed_config: typed('envoy.extensions.filters.http.on_demand.v3.OnDemand'),
};

/** Answers everything itself. */
export const answering = (name: string, domains: readonly string[], status: number): Json => ({
  name,
  domains,
  routes: [{ match: { prefix: '/' }, direct_response: { status } }],
});

/** What the server says of a host that is asked for: a resource, 'unknown' without content, 'removed', or nothing. */
export type HostAnswer = { readonly name: string; readonly host: Json } | 'unknown' | 'removed' | 'nothing';

export class HostServer {
  readonly asked: string[] = [];
  readonly #ads: AdsServer;
  readonly #answers: ReadonlyMap<string, HostAnswer>;
  readonly #first: readonly Json[];
  readonly #seen = new WeakSet<AdsStream>();
  #count = 0;

  /** `answers` by 'ROUTES/HOST'; what is not there is unknown. `first`: what it sends to whoever asks for all. */
  constructor(ads: AdsServer, first: readonly Json[], answers: Readonly<Record<string, HostAnswer>> = {}) {
    this.#ads = ads;
    this.#first = first;
    this.#answers = new Map(Object.entries(answers));
    ads.drops.set(VIRTUAL_HOST, Number.POSITIVE_INFINITY);
    ads.onRequest = (asked, stream) => {
      if (asked.type === VIRTUAL_HOST) this.#take(asked, stream);
    };
  }

  #take({ subscribe }: AdsRequest, stream: AdsStream): void {
    const names = subscribe.filter((name) => name !== '*');
    this.asked.push(...names);
    const isFirst = !this.#seen.has(stream);
    this.#seen.add(stream);
    const given = names.map((name) => [name, this.#answers.get(name) ?? 'unknown'] as const);
    const resources = [
      ...(isFirst ? this.#first.map((host) => this.#resource(String(host['name']), host)) : []),
      ...given.flatMap(([name, answer]) => {
        if (answer === 'unknown') return { name, version: '', aliases: [name] };
        return typeof answer === 'string' ? [] : this.#resource(answer.name, answer.host, [name]);
      }),
    ];
    const removed = given.flatMap(([name, answer]) => (answer === 'removed' ? name : []));
    // The test's server takes note of the request after this.
    if (isFirst || resources.length + removed.length > 0) queueMicrotask(() => this.#send(stream, resources, removed));
  }

  #resource(
    name: string,
    host: Json,
    aliases: readonly string[] = [],
  ): NonNullable<DeltaDiscoveryResponse['resources']>[0] {
    const message = fromJson(registry.message(VIRTUAL_HOST) as never, host, new Report()) as object;
    const { bytes } = resource(VIRTUAL_HOST, message);
    const any = { type_url: typeUrlOf(VIRTUAL_HOST), value: bytes } as never;
    return { name, version: String(++this.#count), aliases: [...aliases], resource: any };
  }

  #send(stream: AdsStream, resources: DeltaDiscoveryResponse['resources'], removed_resources: string[]): void {
    const nonce = `hosts ${++this.#count}`;
    const system_version_info = String(this.#count);
    stream.sendMessage({ type_url: typeUrlOf(VIRTUAL_HOST), nonce, resources, removed_resources, system_version_info });
  }

  /** Without being asked. */
  push(hosts: readonly Json[], removed: readonly string[] = []): void {
    for (const stream of this.#ads.streams) {
      this.#send(
        stream,
        hosts.map((host) => this.#resource(String(host['name']), host)),
        [...removed],
      );
    }
  }
}

/** How long an answer may take on a busy machine. */
export const ASK_MS = 20_000;

/** Status of the answer, or 'none' when there is none in time. */
export function ask(
  port: number,
  headers: Readonly<Record<string, string>>,
  body: readonly string[] = [],
  limitMs = ASK_MS,
): Promise<string> {
  return new Promise((resolve) => {
    const method = body.length === 0 ? 'GET' : 'POST';
    const sent = request({ port, host: '127.0.0.1', path: '/', method, headers: { connection: 'close', ...headers } });
    sent.on('response', (response) => {
      response.resume();
      response.on('end', () => resolve(String(response.statusCode)));
    });
    sent.on('error', () => resolve('none'));
    sent.setTimeout(limitMs, () => sent.destroy());
    for (const part of body) sent.write(part);
    sent.end();
  });
}

/** Statistics by name whose names fit, without those that are times or hashes of versions. */
export async function counts(proxy: ProxyProcess, names: RegExp): Promise<Record<string, string>> {
  const lines = (await proxy.admin('/stats')).body.split('\n');
  const found: Record<string, string> = {};
  for (const line of lines) {
    const [name = '', value = ''] = line.split(': ');
    if (names.test(name) && !/(version|_time|_ms|_duration)$/.test(name)) found[name] = value;
  }
  return found;
}
