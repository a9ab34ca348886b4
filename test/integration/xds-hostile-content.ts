// What a hostile control plane says, as attacks on a proxy that goes on serving: resources that are none, that are
// wrong, too large, too many, too deep, or of another kind than they should be.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeBinary } from '../../src/proto/binary-encode.ts';
import { registry } from '../../src/proto/registry.ts';
import { typeUrlOf } from '../../src/proto/type-url.ts';
import { type Json, until } from './heddle.ts';
import { bytesOf, good, type HostileRig, type Named, raw } from './xds-hostile-rig.ts';
import { CLUSTER, cluster, ENDPOINTS, endpoints, LISTENER, listener, put, ROUTES, routes } from './xds-types-rig.ts';

export type ContentAttack = { readonly name: string; act(rig: HostileRig): Promise<void> };

const RESOURCE = 'envoy.service.discovery.v3.Resource';
const STRUCT = 'google.protobuf.Struct';
const INTERNAL_SOCKET = 'envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport';

const bad = (type: string, name: string, bytes: Uint8Array | string): Named => [name, raw(type, bytes)];
const ONE: Named = good(CLUSTER, 'one', cluster('one'));

/** A field of a message: its number and bytes. */
function field(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/** `inner` in so many layers, each of which is what comes before it. */
function nest(levels: number, inner: Uint8Array, layer: (innerBytes: number) => Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [inner];
  let bytes = inner.length;
  for (let i = 0; i < levels; i++) {
    const head = layer(bytes);
    parts.push(head);
    bytes += head.length;
  }
  return Buffer.concat(parts.reverse());
}

/** Heads of fields, one in the other, around so many bytes. */
function heads(innerBytes: number, ...numbers: readonly number[]): Buffer {
  let made = Buffer.alloc(0);
  for (const number of numbers.toReversed()) {
    const head = [varint((number << 3) | 2), varint(innerBytes + made.length)];
    made = Buffer.concat([...head, made]);
  }
  return made;
}

const anyHead = (type: string, innerBytes: number): Buffer =>
  Buffer.concat([field(1, Buffer.from(typeUrlOf(type))), heads(innerBytes, 2)]);

const text = (value: string): Buffer => Buffer.from(value, 'latin1');

/** Clusters besides those that are there, sent with them. */
async function sayClusters(rig: HostileRig, ...more: readonly Named[]): Promise<void> {
  rig.say(rig.response(CLUSTER, [ONE, ...more]));
}

async function refusedCluster(rig: HostileRig, name: string, bytes: Uint8Array | string, why: RegExp): Promise<void> {
  const rejected = await rig.stat('cluster_manager.cds.update_rejected');
  await sayClusters(rig, bad(CLUSTER, name, bytes));
  await rig.refused(why);
  await until('a count', async () => (await rig.stat('cluster_manager.cds.update_rejected')) > rejected);
}

/** Routes that are wrong; those that serve stay. */
async function refusedRoutes(rig: HostileRig, json: Json, why: RegExp): Promise<void> {
  rig.say(rig.response(ROUTES, [good(ROUTES, 'routes', routes('routes', json))]));
  await rig.refused(why);
  const states = await rig.errorStates();
  assert.ok(
    states.some((details) => why.test(details)),
    states.join('\n'),
  );
}

const regexRoute = (regex: string): Json => ({
  routes: [{ match: { safe_regex: { regex } }, route: { cluster: 'one' } }],
});

// ─── Not even resources ───────────────────────────────────────────────────────────────────────────────────────────

const BROKEN: readonly ContentAttack[] = [
  {
    name: 'messages that are none',
    async act(rig) {
      for (const bytes of [text('no protobuf \xff\xff'), Buffer.alloc(3, 0x0f), field(2, Buffer.alloc(9, 0xff))]) {
        const before = rig.ads.streamCount;
        rig.say(bytes);
        await until('another stream', () => rig.ads.streamCount > before && rig.ads.streams.size === 1);
      }
    },
  },
  {
    name: 'resources that are none',
    async act(rig) {
      const half = bytesOf(CLUSTER, cluster('half')).subarray(0, 20);
      const all: Named[] = [
        bad(CLUSTER, 'noise', Buffer.alloc(50, 0xee)),
        bad(CLUSTER, 'half', half),
        ['untyped', raw(CLUSTER, bytesOf(CLUSTER, cluster('untyped')), '')],
        ['unknown', raw(CLUSTER, 'x', 'type.googleapis.com/no.such.Type')],
        ['wrong', raw(LISTENER, bytesOf(LISTENER, listener('wrong', 1)))],
        ['struct', raw(STRUCT, '')],
      ];
      const rejected = await rig.stat('cluster_manager.cds.update_rejected');
      for (const one of all) await sayClusters(rig, one);
      await sayClusters(rig, ...all);
      await rig.refused(/type URL .*no\.such\.Type/s);
      await rig.refused(/Unable to unpack/);
      // In state of the world they have no names.
      const states = await rig.errorStates();
      if (rig.isDelta)
        for (const why of [/Unable to unpack/, /type URL/]) assert.ok(states.some((one) => why.test(one)));
      const count = async (): Promise<number> => (await rig.stat('cluster_manager.cds.update_rejected')) - rejected;
      await until('counts', async () => (await count()) >= 2);
    },
  },
  {
    name: 'types that nobody asked for, and none',
    async act(rig) {
      for (const type_url of ['', 'x', 'type.googleapis.com/no.such.Type', typeUrlOf(STRUCT), `a/b/c/${RESOURCE}`]) {
        rig.say({ ...rig.response(CLUSTER, [ONE]), type_url });
      }
    },
  },
  {
    name: 'texts that are no UTF-8',
    async act(rig) {
      await refusedCluster(rig, 'bytes', Buffer.concat([field(1, text('\xff\xfe')), field(28, text('\xff'))]), /UTF-8/);
    },
  },
  {
    name: 'names of no length',
    async act(rig) {
      await refusedCluster(rig, '', bytesOf(CLUSTER, cluster('')), /name/);
      rig.say(
        rig.response(LISTENER, [
          good(LISTENER, '', listener('', 1)),
          good(LISTENER, 'main', listener('main', rig.port)),
        ]),
      );
      rig.say(rig.response(ROUTES, [good(ROUTES, '', routes(''))]));
      rig.say(rig.response(ENDPOINTS, [good(ENDPOINTS, '', endpoints('x'))]));
    },
  },
  {
    name: 'names that disagree',
    async act(rig) {
      if (!rig.isDelta) return;
      rig.say(rig.response(CLUSTER, [good(CLUSTER, 'this', cluster('that'))]));
      await rig.refused(/name: is not "this"/);
      rig.say(rig.response(ENDPOINTS, [good(ENDPOINTS, 'one', endpoints('two', 1))]));
      await rig.refused(/Unexpected EDS cluster \(expecting one\): two/);
      rig.say(rig.response(ROUTES, [good(ROUTES, 'routes', routes('others'))]));
      await rig.refused(/name: is not "routes"/);
    },
  },
  {
    name: 'one name twice',
    async act(rig) {
      rig.say(rig.response(CLUSTER, [ONE, ONE]));
      await rig.refused(/duplicate/);
      const twice = good(LISTENER, 'main', listener('main', rig.port));
      rig.say(rig.response(LISTENER, [twice, twice]));
      await rig.refused(rig.isDelta ? /duplicate name main/ : /duplicate listener main/);
    },
  },
  {
    name: 'a nonce for all, and none',
    async act(rig) {
      for (const nonce of ['same', 'same', 'same', '', '']) {
        rig.say(rig.response(ROUTES, [good(ROUTES, 'routes', routes('routes'))], { nonce }));
      }
    },
  },
  {
    name: 'removals of what never was',
    async act(rig) {
      const removed_resources = Array.from({ length: 10_000 }, (_, i) => `none-${i}`);
      if (rig.isDelta) rig.say(rig.response(CLUSTER, [], { removed_resources }));
      rig.say(rig.response(ROUTES, [], rig.isDelta ? { removed_resources: [''] } : {}));
    },
  },
  {
    name: 'resources without a body, that live for ever or not at all',
    async act(rig) {
      const wrapped = (fields: object): Named => ['', raw(RESOURCE, encodeBinary(registry.message(RESOURCE), fields))];
      const ttls = [
        { seconds: 0, nanos: 1 },
        { seconds: -5, nanos: 0 },
        { seconds: 2n ** 62n, nanos: 0 },
      ];
      for (const ttl of [undefined, ...ttls]) {
        for (const version of ['', 'v', 'other']) {
          const fields = { name: 'late', version, ...(ttl === undefined ? {} : { ttl }) };
          if (rig.isDelta) rig.say({ ...rig.response(CLUSTER, []), resources: [fields] });
          else rig.say(rig.response(CLUSTER, [ONE, wrapped(fields)]));
        }
      }
      await rig.refused(/the resource is missing/);
      const json = cluster('short', { type: 'STATIC', eds_cluster_config: undefined });
      const short = { type_url: typeUrlOf(CLUSTER), value: bytesOf(CLUSTER, JSON.parse(JSON.stringify(json)) as Json) };
      const fields = { name: 'short', version: '1', resource: short, ttl: { seconds: 0, nanos: 50_000_000 } };
      if (rig.isDelta) rig.say({ ...rig.response(CLUSTER, []), resources: [fields] });
      else rig.say(rig.response(CLUSTER, [ONE, wrapped(fields)]));
      await until('the end of a short life', async () => (await rig.stat('cluster_manager.cluster_removed')) > 0);
    },
  },
  {
    name: 'a control plane of ever other names',
    async act(rig) {
      for (let i = 0; i < 20; i++) {
        const control_plane = { identifier: `${i}`.repeat(100_000) };
        rig.say(rig.response(ROUTES, [], { control_plane }));
      }
    },
  },
];

// ─── Wrong ────────────────────────────────────────────────────────────────────────────────────────────────────────

const DEEP = 20_000;

const WRONG: readonly ContentAttack[] = [
  {
    name: 'what was refused before, again and again',
    async act(rig) {
      const rejected = await rig.stat('cluster_manager.cds.update_rejected');
      const wrong = good(CLUSTER, 'again', cluster('again', { lb_policy: 'MAGLEV' }));
      for (let i = 0; i < 50; i++) {
        await sayClusters(rig, wrong);
        if (i % 10 === 0) await sleep(10);
      }
      await rig.refused(/again.*lb_policy/s);
      await until('counts', async () => (await rig.stat('cluster_manager.cds.update_rejected')) > rejected + 1);
      assert.ok((await rig.errorStates()).some((details) => /lb_policy/.test(details)));
    },
  },
  {
    name: 'an extension that is not there',
    async act(rig) {
      const policies = [{}];
      const json = cluster('policies', { load_balancing_policy: { policies } });
      const why = /policies: load_balancing_policy\.policies\[0\]\.typed_extension_config\.typed_config: is required/;
      await refusedCluster(rig, 'policies', bytesOf(CLUSTER, json), why);
    },
  },
  {
    name: 'addresses that cannot be bound, or are another listener’s',
    async act(rig) {
      const main = good(LISTENER, 'main', listener('main', rig.port));
      const moved = { address: { socket_address: { address: '192.0.2.1', port_value: 80 } } };
      rig.say(rig.response(LISTENER, [good(LISTENER, 'main', { ...listener('main', 1), ...moved })]));
      await rig.refused(/main: cannot bind '192\.0\.2\.1:80'/);
      assert.ok((await rig.errorStates()).some((details) => /192\.0\.2\.1/.test(details)));
      rig.say(rig.response(LISTENER, [main, good(LISTENER, 'double', listener('double', rig.port))]));
      await rig.refused(/error adding listener: 'double' has duplicate address/);
    },
  },
  {
    name: 'expressions that are wrong or would never end',
    async act(rig) {
      await refusedRoutes(rig, regexRoute('('), /routes\[0\]\.match\.safe_regex\.regex/);
      await refusedRoutes(rig, regexRoute('((((((a{9}){9}){9}){9}){9}){9})'), /regex/);
      // It would take ages where expressions go back and try again.
      rig.say(
        rig.response(ROUTES, [
          good(
            ROUTES,
            'routes',
            routes('routes', {
              routes: [
                { match: { safe_regex: { regex: '/(a+)+b' } }, route: { cluster: 'one' } },
                { match: { prefix: '/' }, route: { cluster: 'one' } },
              ],
            }),
          ),
        ]),
      );
      await sleep(30);
      const started = performance.now();
      await (await fetch(`http://127.0.0.1:${rig.port}/${'a'.repeat(5_000)}`)).text();
      assert.ok(performance.now() - started < 1_000);
    },
  },
  {
    name: 'sockets in sockets in sockets',
    async act(rig) {
      // Any → InternalUpstreamTransport.transport_socket (3) → TransportSocket.typed_config (3).
      const inner = anyHead('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer', 0);
      const deep = nest(DEEP, inner, (bytes) => {
        const socket = Buffer.concat([field(1, text('x')), heads(bytes, 3)]);
        const transport = Buffer.concat([heads(bytes + socket.length, 3), socket]);
        return Buffer.concat([anyHead(INTERNAL_SOCKET, bytes + transport.length), transport]);
      });
      const socket = Buffer.concat([field(1, text('x')), field(3, deep)]);
      await refusedCluster(
        rig,
        'deep',
        Buffer.concat([bytesOf(CLUSTER, cluster('deep')), field(24, socket)]),
        /deep: .*nested/s,
      );
    },
  },
  {
    name: 'Anys in Anys, and structs in structs',
    async act(rig) {
      const deep = nest(DEEP, Buffer.alloc(0), (bytes) => anyHead('google.protobuf.Any', bytes));
      const options = Buffer.concat([field(1, text('x')), field(2, deep)]);
      await refusedCluster(rig, 'anys', Buffer.concat([bytesOf(CLUSTER, cluster('anys')), field(36, options)]), /anys/);
      // Struct.fields (1) → its key (1) and value (2) → Value.struct_value (5).
      const structs = nest(DEEP, Buffer.alloc(0), (bytes) => {
        const entry = Buffer.concat([field(1, text('a')), heads(bytes, 2, 5)]);
        return Buffer.concat([heads(bytes + entry.length, 1), entry]);
      });
      const metadata = field(1, Buffer.concat([field(1, text('x')), field(2, structs)]));
      const json = Buffer.concat([bytesOf(CLUSTER, cluster('structs')), field(25, metadata)]);
      await refusedCluster(rig, 'structs', json, /structs.*nested deeper|structs: .*struct_value/s);
    },
  },
  {
    name: 'matchers in matchers',
    async act(rig) {
      // Matcher.on_no_match (3) → OnMatch.matcher (1).
      const matcher = nest(DEEP, Buffer.alloc(0), (bytes) => heads(bytes, 3, 1));
      const deep = Buffer.concat([bytesOf(LISTENER, listener('main', rig.port)), field(32, matcher)]);
      const rejected = await rig.stat('listener_manager.lds.update_rejected');
      rig.say(rig.response(LISTENER, [bad(LISTENER, 'main', deep)]));
      await rig.refused(/main.*(nested deeper|matcher)/s);
      await until('a count', async () => (await rig.stat('listener_manager.lds.update_rejected')) > rejected);
    },
  },
  {
    name: 'filters in filters',
    async act(rig) {
      const struct = 'xds.type.v3.TypedStruct';
      const layer = (inner: Json): Json => ({ '@type': typeUrlOf(struct), type_url: typeUrlOf(struct), value: inner });
      let filter: Json = {};
      for (let i = 0; i < 40; i++) filter = layer(filter);
      const filters = [{ name: 'structs', typed_config: filter }];
      rig.say(rig.response(LISTENER, [good(LISTENER, 'main', listener('main', rig.port, filters))]));
      await rig.refused(/main.*TypedStruct/s);
    },
  },
];

// ─── Too much ─────────────────────────────────────────────────────────────────────────────────────────────────────

const HUGE_BYTES = 100_000_000;

export const HUGE_ATTACKS: readonly ContentAttack[] = [
  {
    name: '100 MB that are good for nothing',
    async act(rig) {
      rig.say(
        rig.response(ROUTES, [
          bad(ROUTES, 'routes', Buffer.concat([field(1, text('routes')), field(2, Buffer.alloc(HUGE_BYTES, 0xff))])),
        ]),
      );
      await rig.refused(/routes.*virtual_hosts/s);
    },
  },
  {
    name: '25 MB of what is nothing, a million times',
    async act(rig) {
      const none = Buffer.of(0x12, 0);
      const bytes = Buffer.concat([field(1, text('routes')), Buffer.alloc(HUGE_BYTES / 4, none)]);
      rig.say(rig.response(ROUTES, [bad(ROUTES, 'routes', bytes)]));
      await rig.refused(/routes: more than \d+ fields/);
      // A response of so many resources is none that could be read.
      const before = rig.ads.streamCount;
      rig.say(Buffer.alloc(HUGE_BYTES / 4, none));
      await until('another stream', () => rig.ads.streamCount > before && rig.ads.streams.size === 1);
    },
  },
  {
    name: '100 MB of what nobody knows',
    async act(rig) {
      const served = bytesOf(ROUTES, routes('routes'));
      rig.say(
        rig.response(ROUTES, [bad(ROUTES, 'routes', Buffer.concat([served, field(1_000, Buffer.alloc(HUGE_BYTES))]))]),
      );
    },
  },
  {
    name: 'ten thousand clusters that are wrong',
    async act(rig) {
      const all = Array.from({ length: 10_000 }, (_, i) =>
        good(CLUSTER, `wrong-${i}`, { name: `wrong-${i}`, lb_policy: 'MAGLEV' }),
      );
      await sayClusters(rig, ...all);
      const refusal = await rig.refused(/wrong-1:.*lb_policy/s);
      assert.ok(refusal.length < 5_000);
    },
  },
  {
    name: 'two thousand clusters that come and go',
    async act(rig) {
      const json = (name: string): Json => ({ name, type: 'STATIC', connect_timeout: '1s' });
      const all = Array.from({ length: 2_000 }, (_, i) => good(CLUSTER, `good-${i}`, json(`good-${i}`)));
      const added = await rig.stat('cluster_manager.cluster_added');
      await sayClusters(rig, ...all);
      await until('clusters', async () => (await rig.stat('cluster_manager.cluster_added')) >= added + 2_000, 60_000);
      const removed_resources = all.map(([name]) => name);
      rig.say(rig.response(CLUSTER, rig.isDelta ? [] : [ONE], rig.isDelta ? { removed_resources } : {}));
      await until('no clusters', async () => (await rig.stat('cluster_manager.active_clusters')) < 10, 60_000);
    },
  },
  {
    name: 'a hundred thousand routes',
    async act(rig) {
      const one = (i: number): Json => ({ match: { prefix: `/none/${i}` }, direct_response: { status: 200 } });
      const list = [
        ...Array.from({ length: 100_000 }, (_, i) => one(i)),
        { match: { prefix: '/' }, route: { cluster: 'one' } },
      ];
      const header = { header: { key: 'x-version', value: 'many' } };
      const json = routes('routes', { routes: list, response_headers_to_add: [header] });
      rig.say(rig.response(ROUTES, [good(ROUTES, 'routes', json)]));
      const has = async (): Promise<boolean> => {
        const response = await fetch(`http://127.0.0.1:${rig.port}/`);
        await response.text();
        return response.headers.get('x-version') === 'many';
      };
      await until('all routes', has, 60_000);
    },
  },
  {
    name: 'fifty thousand endpoints',
    async act(rig) {
      const json = endpoints('one', ...Array.from({ length: 50_000 }, () => rig.prober.upstreamPort));
      rig.say(rig.response(ENDPOINTS, [good(ENDPOINTS, 'one', json)]));
      await rig.ads.until(() => rig.ads.of(ENDPOINTS).some(({ nonce }) => nonce === 'own'), 60_000);
    },
  },
];

export const CONTENT_ATTACKS: readonly ContentAttack[] = [...BROKEN, ...WRONG];

/** Sends and takes back, as fast as that, for so long. */
export async function flap(rig: HostileRig, lastMs: number): Promise<void> {
  const endMs = performance.now() + lastMs;
  for (let i = 0; performance.now() < endMs; i++) {
    const name = `flap-${i}`;
    const json = { name, type: 'STATIC', connect_timeout: '1s' };
    const header = { header: { key: 'x-flap', value: String(i) } };
    await sayClusters(rig, good(CLUSTER, name, json), good(CLUSTER, `wrong-${i}`, { ...json, lb_policy: 'MAGLEV' }));
    if (rig.isDelta) rig.say(rig.response(CLUSTER, [], { removed_resources: [name] }));
    rig.say(rig.response(ROUTES, [good(ROUTES, 'routes', routes('routes', { response_headers_to_add: [header] }))]));
    if (i % 3 === 0) rig.ads.closeStreams();
    if (i % 7 === 0) rig.server.dropAll();
    await sleep(10);
  }
  // On a new stream all is said anew, and what is not said is gone, with its statistics.
  const isGone = async (): Promise<boolean> => {
    // A version that no response had: what was refused with others has left the old one in force.
    put(rig.ads, CLUSTER, 'one', cluster('one'));
    rig.ads.closeStreams();
    await sleep(50);
    left = (await rig.proxy.admin('/stats?filter=flap')).body.trim();
    return left === '';
  };
  let left = '';
  await until('the end of all that came and went', isGone).catch((error: Error) => {
    throw new Error(`${error.message}: ${left.slice(0, 500)}\n${rig.ads.show(10)}`);
  });
}
