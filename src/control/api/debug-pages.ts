// The debug pages that tools read of an istiod, and pages of our own about pushes.
import { decodeBinary } from '../../proto/binary-decode.ts';
import { toJson } from '../../proto/json-encode.ts';
import type { Message, MessageType } from '../../proto/message-type.ts';
import { registry } from '../../proto/registry.ts';
import { typeUrlName } from '../../proto/type-url.ts';
import {
  CLUSTER_URL,
  ENDPOINT_URL,
  LISTENER_URL,
  ROUTE_URL,
  SECRET_URL,
  VIRTUAL_HOST_URL,
} from '../../xds/server/order.ts';
import type { XdsStream } from '../../xds/server/stream.ts';
import { connectionRows } from '../push/connections.ts';
import { shortType } from '../push/metrics.ts';
import { type ApiContext, json, type Page } from './context.ts';

type DebugPage = { readonly help: string; readonly answer: Page };

export const DEBUG_PAGES: ReadonlyMap<string, DebugPage> = new Map<string, DebugPage>([
  ['/debug/syncz', { help: 'how far each proxy is, by type', answer: (_request, context) => json(syncRows(context)) }],
  ['/debug/connections', { help: 'connected proxies', answer: (_request, context) => json(connections(context)) }],
  ['/debug/adsz', { help: 'connected proxies and what they watch', answer: (_request, context) => json(ads(context)) }],
  [
    '/debug/edsz',
    { help: 'endpoints of a proxy (?proxyID=)', answer: (request, c) => dump(request, c, [ENDPOINT_URL]) },
  ],
  [
    '/debug/config_dump',
    {
      help: 'what a proxy sees (?proxyID=)',
      answer: (request, c) => dump(request, c, [CLUSTER_URL, ENDPOINT_URL, LISTENER_URL, ROUTE_URL, VIRTUAL_HOST_URL]),
    },
  ],
  [
    '/debug/registryz',
    { help: 'services', answer: (_request, { state }) => json(values(state.stages.services.services)) },
  ],
  [
    '/debug/endpointz',
    { help: 'endpoints by service', answer: (_request, { state }) => json(entries(state.stages.services.endpoints)) },
  ],
  [
    '/debug/instancesz',
    {
      help: 'services by workload address',
      answer: (_request, { state }) => json(values(state.stages.services.instances)),
    },
  ],
  ['/debug/configz', { help: 'objects as they were read', answer: (_request, context) => json(objects(context)) }],
  ['/debug/mesh', { help: 'settings of the mesh', answer: (_request, { state }) => json(state.mesh) }],
  [
    '/debug/pushes',
    { help: 'pushes: what caused each, and what it cost', answer: (_request, { updates }) => json(updates.records) },
  ],
  [
    '/debug/push_status',
    { help: 'the last push', answer: (_request, { updates }) => json(updates.records.at(-1) ?? null) },
  ],
  [
    '/debug/resourcesz',
    { help: 'tables of resources and who shares them', answer: (_request, context) => json(tables(context)) },
  ],
  [
    '/debug/cachez',
    { help: 'collections of the graph: sizes and work', answer: (_request, { state }) => json(state.graph.lastBatch) },
  ],
]);

function values(collection: { entries(): Iterable<[string, unknown]> }): unknown[] {
  return [...collection.entries()].map(([, value]) => plain(value));
}

function entries(collection: { entries(): Iterable<[string, unknown]> }): Record<string, unknown> {
  return Object.fromEntries([...collection.entries()].map(([key, value]) => [key, plain(value)]));
}

/** Sets as lists. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_key, inner: unknown) => (inner instanceof Set ? [...inner] : inner)));
}

/** Never the content of Secrets. */
function objects({ source }: ApiContext): unknown[] {
  return [...source.objects().values()].filter(({ kind }) => kind !== 'Secret');
}

/** As `istioctl proxy-status` reads it. */
function syncRows({ xds, clock, version }: ApiContext): unknown[] {
  return [...xds.streams].map((stream) => {
    const [row] = connectionRows([stream], clock.nowMs);
    const types = row?.types ?? [];
    const metadata = (stream.node.metadata ?? {}) as Readonly<Record<string, unknown>>;
    const node = stream.node.id ?? '';
    return {
      cluster_id: String(metadata['CLUSTER_ID'] ?? ''),
      proxy: shortProxy(node),
      proxy_type: node.split('~')[0],
      istiod: version,
      ...Object.fromEntries(types.map(({ type, status }) => [`${type}_status`, status])),
    };
  });
}

/** 'productpage-v1.bookinfo' */
function shortProxy(node: string): string {
  return node.split('~')[2] ?? node;
}

function connections({ xds, clock }: ApiContext): unknown {
  const rows = connectionRows(xds.streams, clock.nowMs);
  return { totalClients: rows.length, clients: rows };
}

function ads({ xds, clock }: ApiContext): unknown {
  const rows = connectionRows(xds.streams, clock.nowMs);
  const clients = rows.map(({ proxy, node, address, connectedMs, types }) => ({
    ...{ connectionId: proxy, proxyId: node, address, connectedMs },
    watches: Object.fromEntries(types.map((type) => [type.typeUrl, type.names])),
  }));
  return { totalClients: rows.length, clients };
}

/** What a connected proxy sees, decoded. `proxyID`: a node id, its third part, or the beginning of that. */
function dump({ query }: Parameters<Page>[0], { xds }: ApiContext, types: readonly string[]): ReturnType<Page> {
  const id = query.get('proxyID') ?? '';
  const stream = [...xds.streams].find((one) => isNamed(one, id));
  if (id === '') return json({ error: 'proxyID is missing; /debug/connections lists proxies' }, 400);
  const view = stream?.admission?.view;
  if (view === undefined) return json({ error: `no proxy ${id} is connected` }, 404);
  const wanted = (query.get('types') ?? '').split(',').filter((type) => type !== '');
  const shown = wanted.length === 0 ? types : types.filter((type) => wanted.includes(shortType(type)));
  const name = query.get('name');
  const resources = shown
    .filter((typeUrl) => typeUrl !== SECRET_URL)
    .flatMap((typeUrl) =>
      view.tables(typeUrl).flatMap((table) =>
        [...table.names()]
          .filter((own) => name === null || own === name)
          .map((own) => {
            const { body, version } = table.get(own) as { body: Uint8Array; version: string };
            const type = registry.find(typeUrlName(typeUrl) ?? '') as MessageType<Message>;
            return {
              '@type': typeUrl,
              name: own,
              version,
              resource: toJson(type, decodeBinary(type, body) as Message),
            };
          }),
      ),
    );
  return json({ proxy: stream?.label, resources });
}

function isNamed(stream: XdsStream, id: string): boolean {
  const node = stream.node.id ?? '';
  return node === id || shortProxy(node) === id || shortProxy(node).startsWith(`${id}.`);
}

function tables({ state, xds }: ApiContext): unknown[] {
  const users = new Map<unknown, number>();
  for (const { admission, types } of xds.streams) {
    for (const { typeUrl } of types) {
      for (const table of admission?.view.tables(typeUrl) ?? []) users.set(table, (users.get(table) ?? 0) + 1);
    }
  }
  return [...state.views.tables()].map((table) => ({
    ...{ typeUrl: table.typeUrl, table: table.label, resources: table.size, bytes: table.bytes, seq: table.seq },
    users: users.get(table) ?? 0,
  }));
}
