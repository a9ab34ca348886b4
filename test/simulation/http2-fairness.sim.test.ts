// Streams whose reader stalls beside one whose reader does not, in every combination of protocols and directions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_HTTP2_OPTIONS, type Http2Options } from '../../src/wire/http2/options.ts';
import {
  assertQuiet,
  connectHttp2,
  http2Cluster,
  type Http2MemoryClient,
  type Http2MemoryExchange,
  type Http2MemoryPeer,
  Http2MemoryUpstream,
} from './http2-memory.ts';
import { type MemoryClient, MemoryProxy, type UpstreamPeer } from './memory-proxy.ts';

type Json = Readonly<Record<string, unknown>>;
type Protocol = 'http1' | 'http2';
type Direction = 'download' | 'upload';

const MIB = 1024 * 1024;
const PIECE = Buffer.alloc(64 * 1024, 'x');
const STALLED_BYTES = 6 * MIB;
const LIVELY_BYTES = 3 * MIB;
const HEAD_MARK = '\r\n\r\n';

type Setup = {
  readonly downstream: Protocol;
  readonly upstream: Protocol;
  readonly direction: Direction;
  readonly stalled: number;
  readonly listenerHttp2?: Json;
  readonly clusterHttp2?: Json;
  readonly limitBytes?: number;
  /** How the client and the upstream of the test behave. */
  readonly peers?: Partial<Http2Options>;
  /** Bytes of each stalled body, and how many of them are read before it stalls: windows grow meanwhile. */
  readonly stalledBytes?: number;
  readonly quickBytes?: number;
};

/** A body on its way through the proxy. */
type Flow = {
  /** Body bytes that have left the one end, and have come to the other. */
  sent(): number;
  received(): number;
  /** So many bytes; all that come from now on without a number, which HTTP/1 always means. */
  goOn(bytes?: number): void;
  isComplete(): boolean;
};

type Rig = {
  readonly setup: Setup;
  readonly proxy: MemoryProxy;
  readonly client: Http2MemoryClient | null;
  readonly upstream: Http2MemoryUpstream | null;
};

function makeRig(setup: Setup): Rig {
  const limit = setup.limitBytes === undefined ? {} : { per_connection_buffer_limit_bytes: setup.limitBytes };
  const proxy = new MemoryProxy({
    listener: limit,
    hcm: { stream_idle_timeout: '0s', http2_protocol_options: setup.listenerHttp2 ?? {} },
    route: { timeout: '0s' },
    cluster: {
      ...limit,
      ...(setup.upstream === 'http2' ? http2Cluster(setup.clusterHttp2) : {}),
    },
  });
  const upstream = setup.upstream === 'http2' ? new Http2MemoryUpstream(proxy, setup.peers) : null;
  const client = setup.downstream === 'http2' ? connectHttp2(proxy, setup.peers) : null;
  if (upstream !== null) upstream.reply = () => undefined;
  proxy.upstream.reply = () => '';
  return { setup, proxy, client, upstream };
}

/** Lets everything move that can. */
function settle({ proxy }: Rig, flows: readonly Flow[]): void {
  for (let last = -1, now = 0; last !== now; ) {
    last = now;
    proxy.run();
    now = flows.reduce((sum, flow) => sum + flow.sent() + flow.received(), 0);
  }
}

// ─── Ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Something that gives or takes the body of one message. */
type End = {
  give(bytes: number): void;
  given(): number;
  taken(): number;
  /** Reads no more once it has so many bytes. */
  stallAt(bytes: number): void;
  goOn(bytes?: number): void;
};

function http2End(exchange: Http2MemoryExchange): End {
  let offered = 0;
  return {
    give: (bytes) => {
      offered = bytes;
      exchange.peer.run(() => {
        for (let at = 0; at < bytes; at += PIECE.length) exchange.send(PIECE, at + PIECE.length >= bytes);
      });
    },
    given: () => offered - exchange.wire.bufferedBytes,
    taken: () => exchange.bytes,
    stallAt: (bytes) => {
      exchange.isStalled = bytes === 0;
      exchange.onData = () => {
        if (bytes > 0 && exchange.bytes >= bytes) exchange.isStalled = true;
      };
    },
    goOn: (bytes) => {
      if (bytes === undefined) exchange.onData = () => undefined;
      exchange.goOn(bytes);
    },
  };
}

function http1End(proxy: MemoryProxy, peer: MemoryClient | UpstreamPeer): End {
  // Bodies have a length; the head was sent or read before.
  let before = 0;
  let start = 0;
  let offered = 0;
  peer.keepsText = false;
  return {
    give: (bytes) => {
      offered = bytes;
      before = peer.stream.bytesWritten + peer.stream.bufferedBytes;
      proxy.run(() => {
        for (let at = 0; at < bytes; at += PIECE.length) peer.stream.write(PIECE);
      });
    },
    given: () => (offered === 0 ? 0 : peer.stream.bytesWritten - before),
    taken: () => Math.max(0, peer.bytes - start),
    stallAt: (bytes) => {
      start = peer.bytes;
      if (bytes === 0) peer.pause();
      const { onData } = peer;
      let isStalled = bytes === 0;
      peer.onData = (chunk, from, to) => {
        onData.call(peer, chunk, from, to);
        if (isStalled || peer.bytes - start < bytes) return;
        isStalled = true;
        peer.stream.pause();
      };
    },
    goOn: () => peer.resume(),
  };
}

type Ends = { readonly client: End; readonly upstream: End };

/** Begins an exchange; the upstream has its head, and the client has the answer's when it is a download. */
function begin(rig: Rig, path: string, bytes: number): Ends {
  const { proxy, setup } = rig;
  const isUpload = setup.direction === 'upload';
  let client: End;
  if (rig.client !== null) {
    client = http2End(isUpload ? rig.client.post(path, null) : rig.client.request(path));
  } else {
    const length = isUpload ? `Content-Length: ${bytes}\r\n` : '';
    const peer = proxy.connect();
    peer.send(`${isUpload ? 'POST' : 'GET'} ${path} HTTP/1.1\r\nHost: a\r\n${length}${HEAD_MARK.slice(2)}`);
    client = http1End(proxy, peer);
  }
  if (rig.upstream !== null) {
    const exchange = rig.upstream.lastExchange;
    if (!isUpload) exchange.sendHead([[':status', '200']]);
    return { client, upstream: http2End(exchange) };
  }
  const peer = proxy.upstream.last;
  if (!isUpload) peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}${HEAD_MARK}`);
  return { client, upstream: http1End(proxy, peer) };
}

function flowOf(rig: Rig, path: string, bytes: number, stalls: boolean): Flow {
  const { client, upstream } = begin(rig, path, bytes);
  const isUpload = rig.setup.direction === 'upload';
  const [source, sink] = isUpload ? [client, upstream] : [upstream, client];
  if (stalls) sink.stallAt(rig.setup.quickBytes ?? 0);
  source.give(bytes);
  return {
    sent: () => source.given(),
    received: () => sink.taken(),
    goOn: (more) => sink.goOn(more),
    isComplete: () => sink.taken() >= bytes,
  };
}

// ─── Tests ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Runs the case; returns the most that the proxy and the wires held of one stalled stream. */
function checkFairness(setup: Setup): number {
  const rig = makeRig(setup);
  const { stalledBytes = STALLED_BYTES } = setup;
  try {
    const stalled: Flow[] = [];
    for (let i = 0; i < setup.stalled; i++) stalled.push(flowOf(rig, `/stalled/${i}`, stalledBytes, true));
    settle(rig, stalled);
    const name = JSON.stringify(setup);
    let most = 0;
    for (const flow of stalled) {
      assert.ok(!flow.isComplete(), `${name}: a stalled stream is complete`);
      most = Math.max(most, flow.sent() - flow.received());
    }
    for (let i = 0; i < 3; i++) {
      const lively = flowOf(rig, `/lively/${i}`, LIVELY_BYTES, false);
      settle(rig, [lively]);
      assert.ok(lively.isComplete(), `${name}: ${lively.sent()} sent, ${lively.received()} received of the lively one`);
    }
    for (const flow of stalled) assert.ok(!flow.isComplete());
    for (const flow of stalled) flow.goOn();
    settle(rig, stalled);
    for (const flow of stalled) assert.ok(flow.isComplete(), `${name}: ${flow.received()} received in the end`);
    assert.deepEqual(rig.proxy.problems, []);
    return most;
  } finally {
    rig.proxy.stop();
  }
}

/** Each combination of directions and protocols, with how that is said. */
function combinations(): { name: string; direction: Direction; downstream: Protocol; upstream: Protocol }[] {
  const protocols = ['http1', 'http2'] as const;
  return (['download', 'upload'] as const).flatMap((direction) =>
    protocols.flatMap((downstream) =>
      protocols.map((upstream) => {
        const way = direction === 'upload' ? `${downstream} to ${upstream}` : `${upstream} to ${downstream}`;
        return { name: `${direction} from ${way}`, direction, downstream, upstream };
      }),
    ),
  );
}

/** HTTP/1 is held back piece by piece; HTTP/2 may have used up a window that was given before. */
const mostOf = (from: Protocol, limitBytes: number, windowBytes: number): number =>
  limitBytes + 2 * PIECE.length + (from === 'http2' ? windowBytes : 0);

for (const { name, direction, downstream, upstream } of combinations()) {
  const from = direction === 'upload' ? downstream : upstream;
  const setup = { direction, downstream, upstream };

  test(`${name}: who stalls holds up nobody else`, () => {
    for (const stalled of [2, 50]) {
      const most = checkFairness({ ...setup, stalled });
      // A window of 256 KiB has doubled until the buffer was full.
      assert.ok(most <= mostOf(from, MIB, 2 * MIB), `${most} bytes are held`);
    }
  });

  test(`${name}: with small windows and buffers little is held`, () => {
    const http2 = { initial_stream_window_size: 65_535 };
    const peers = { initialStreamWindow: 65_535, largestStreamWindow: 65_535, initialConnectionWindow: 65_535 };
    const limitBytes = 32 * 1024;
    for (const stalled of [2, 20]) {
      const sizes = { stalledBytes: MIB, limitBytes };
      const most = checkFairness({ ...setup, ...sizes, stalled, peers, listenerHttp2: http2, clusterHttp2: http2 });
      // One of the windows may be in the hands of whoever stalls: it was never given back.
      assert.ok(most <= mostOf(from, limitBytes, 65_535), `${most} bytes are held`);
    }
  });

  test(`${name}: with a limit for the connection that is large enough`, () => {
    const http2 = { initial_stream_window_size: 65_535, initial_connection_window_size: MIB };
    checkFairness({ ...setup, stalled: 10, stalledBytes: MIB, listenerHttp2: http2, clusterHttp2: http2 });
  });

  test(`${name}: windows that have grown are the limit of what is held`, () => {
    const most = checkFairness({ ...setup, stalled: 3, stalledBytes: 80 * MIB, quickBytes: 40 * MIB });
    assert.ok(most <= mostOf(from, MIB, DEFAULT_HTTP2_OPTIONS.largestStreamWindow), `${most} bytes are held`);
  });
}

/** Reads a long body in small bits; returns the most that was held of it. */
function holdWhileSlow(setup: Setup): number {
  const rig = makeRig(setup);
  try {
    const flow = flowOf(rig, '/slow', 60 * MIB, true);
    settle(rig, [flow]);
    let most = 0;
    for (let i = 0; i < 150; i++) {
      flow.goOn(100_000);
      settle(rig, [flow]);
      most = Math.max(most, flow.sent() - flow.received());
    }
    assert.ok(flow.received() > 10 * MIB, `${flow.received()}`);
    flow.goOn();
    settle(rig, [flow]);
    assert.ok(flow.isComplete(), `${flow.received()} received in the end`);
    return most;
  } finally {
    rig.proxy.stop();
  }
}

for (const { name, direction, downstream, upstream } of combinations()) {
  const sink = direction === 'upload' ? upstream : downstream;
  if (sink === 'http1') continue;
  test(`${name}: the window of a slow reader does not grow`, () => {
    const peers = { initialStreamWindow: 256 * 1024, largestStreamWindow: 256 * 1024 };
    const most = holdWhileSlow({ direction, downstream, upstream, stalled: 1, peers });
    const from = direction === 'upload' ? downstream : upstream;
    assert.ok(most <= mostOf(from, MIB, 2 * MIB) + 256 * 1024, `${most} bytes are held`);
  });
}

// ─── SETTINGS ─────────────────────────────────────────────────────────────────────────────────────────────────────

for (const direction of ['download', 'upload'] as const) {
  test(`${direction}: windows that shrink and grow while data is held lose nothing`, () => {
    const peers = { initialStreamWindow: 65_535, largestStreamWindow: 65_535 };
    const rig = makeRig({ direction, downstream: 'http2', upstream: 'http2', stalled: 3, peers });
    try {
      const flows = [0, 1, 2].map((i) => flowOf(rig, `/${i}`, MIB, true));
      settle(rig, flows);
      const before = flows.map((flow) => flow.received());
      assert.deepEqual(before, [65_535, 65_535, 65_535]);
      const sink = direction === 'download' ? (rig.client as Http2MemoryPeer) : (rig.upstream?.last as Http2MemoryPeer);
      sink.changeWindow(0);
      const late = flowOf(rig, '/late', MIB, false);
      settle(rig, [...flows, late]);
      assert.equal(late.received(), 0);
      sink.changeWindow(70_000);
      settle(rig, [...flows, late]);
      assert.ok(late.isComplete(), `${late.received()}`);
      assert.deepEqual(
        flows.map((flow) => flow.received()),
        [70_000, 70_000, 70_000],
      );
      sink.changeWindow(100);
      for (const flow of flows) flow.goOn();
      settle(rig, flows);
      sink.changeWindow(200_000);
      settle(rig, flows);
      for (const flow of flows) assert.ok(flow.isComplete(), `${flow.received()}`);
      for (const exchange of rig.upstream?.exchanges ?? []) if (direction === 'upload') exchange.respond(200);
      assertQuiet(rig.proxy);
    } finally {
      rig.proxy.stop();
    }
  });
}
