// The published attacks on HTTP/2: each is counted and cut off where it is one, others are served, and nothing stays.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:http2';
import { after, before, describe, it } from 'node:test';
import { type AttackOutcome, runAttack } from '../support/http2-attacker.ts';
import { type Attack, attacks } from '../support/http2-attacks.ts';
import { type RunningHop, startHop } from '../support/http2-hops.ts';
import { scratchFolder, stat, until } from './heddle.ts';

const SMALL = 'x'.repeat(1024);
const LARGE = 'y'.repeat(100 * 1024);
/** Attackers at a time, and what the proxy may take at most: answers for windows that are shut wait in it. */
const ATTACKERS = 4;
const MOST_MB = 450;
const CUT_OFF_WITHIN_MS = 30_000;

type Expected = {
  /** Of an attacker's connection; those who only waste their own time are left alone. */
  readonly fate: RegExp;
  /** A statistic that has grown. */
  readonly counter?: string;
};

const PREMATURE = 'http.test.downstream_rq_too_many_premature_resets';
const PROTOCOL_ERROR = 'http.test.downstream_cx_protocol_error';
const CUT_OFF = /^(?:goaway|closed)/;
const CALM_DOWN = /^(?:goaway 11|closed)$/;
const LEFT_ALONE = /^open$/;
/** Updates that come faster than the bytes they ask for are a flood. */
const DRIBBLE = /^(?:open|goaway 11)$/;

const EXPECTED: Readonly<Record<string, Expected>> = {
  'rapid-reset': { fate: CUT_OFF, counter: PREMATURE },
  'made-you-reset': { fate: /^goaway 1$/, counter: PROTOCOL_ERROR },
  'reset-flood': { fate: CUT_OFF, counter: 'http2.stream_refused_errors' },
  'continuation-flood': { fate: CALM_DOWN, counter: PROTOCOL_ERROR },
  'endless-header-list': { fate: CALM_DOWN, counter: PROTOCOL_ERROR },
  'settings-flood': { fate: CALM_DOWN, counter: 'http2.outbound_control_flood' },
  'ping-flood': { fate: CALM_DOWN, counter: 'http2.outbound_control_flood' },
  'empty-frames-flood': { fate: CALM_DOWN, counter: 'http2.inbound_empty_frames_flood' },
  'window-update-flood': { fate: CALM_DOWN, counter: 'http2.inbound_window_update_frames_flood' },
  'priority-flood': { fate: CALM_DOWN, counter: 'http2.inbound_priority_frames_flood' },
  'hpack-bomb': { fate: CUT_OFF, counter: 'http2.header_list_size_too_large' },
  'zero-length-headers': { fate: CUT_OFF, counter: 'http2.rx_messaging_error' },
  'data-dribble': { fate: DRIBBLE },
  'zero-windows': { fate: LEFT_ALONE },
  'internal-buffering': { fate: LEFT_ALONE },
  'outbound-frames': { fate: CUT_OFF, counter: 'http2.outbound_flood' },
};

const all = attacks({ small: '/small', large: '/large' });

describe('attacks on HTTP/2', () => {
  let upstream: Server;
  let hop: RunningHop;
  /** With limits that attacks reach sooner. */
  let strict: RunningHop;

  before(async () => {
    upstream = createServer((request, response) => {
      request.resume();
      request.on('end', () => response.end(request.url === '/large' ? LARGE : SMALL));
    });
    upstream.keepAliveTimeout = 60_000;
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const { port } = upstream.address() as { port: number };
    hop = await startHop({ upstream: 'http1' }, port, scratchFolder());
    const http2Options = Object.assign({}, ...all.map(({ options }) => options));
    strict = await startHop({ upstream: 'http1', http2Options }, port, scratchFolder());
    await goodClient(hop, 5);
  });
  after(async () => {
    upstream.close();
    upstream.closeAllConnections();
    await hop?.stop();
    await strict?.stop();
  });

  /** Others are served as ever: one request after the other on a connection of its own. */
  async function goodClient({ port }: RunningHop, requests: number): Promise<void> {
    const session = connect(`http://127.0.0.1:${port}`);
    try {
      for (let i = 0; i < requests; i++) {
        const length = await new Promise<number>((resolve, reject) => {
          const stream = session.request({ ':path': '/large' });
          let bytes = 0;
          stream.on('data', (chunk: Buffer) => {
            bytes += chunk.length;
          });
          stream.on('end', () => resolve(bytes));
          stream.on('error', reject);
          session.once('error', reject);
        });
        assert.equal(length, LARGE.length);
      }
    } finally {
      session.destroy();
    }
  }

  async function atRest({ proxy }: RunningHop): Promise<void> {
    assert.equal(proxy.hasExited, false, proxy.output);
    const gauges = [
      'http.test.downstream_cx_active',
      'http.test.downstream_rq_active',
      'cluster.up.upstream_rq_active',
    ];
    gauges.push('http2.streams_active', 'http2.pending_send_bytes');
    for (const name of gauges) await until(`${name} to be 0`, async () => (await stat(proxy, name)) === 0);
    const bugs = await stat(proxy, 'server.envoy_bug_failures').catch(() => 0);
    assert.equal(bugs, 0, proxy.output);
  }

  async function endure(attack: Attack): Promise<void> {
    const { fate, counter } = EXPECTED[attack.name]!;
    const victim = attack.options === undefined ? hop : strict;
    // There is none before the first connection.
    const before = counter === undefined ? 0 : await stat(victim.proxy, counter).catch(() => 0);
    const lingerMs = fate === LEFT_ALONE || fate === DRIBBLE ? 100 : CUT_OFF_WITHIN_MS;
    const attackers = Array.from({ length: victim === hop ? ATTACKERS : 1 }, () =>
      runAttack(victim.port, attack, lingerMs),
    );
    const [outcomes] = await Promise.all([Promise.all(attackers), goodClient(victim, 10)]);
    for (const outcome of outcomes as AttackOutcome[]) assert.match(outcome.fate, fate);
    if (counter !== undefined) assert.ok((await stat(victim.proxy, counter)) > before, `${counter} did not grow`);
    await atRest(victim);
  }

  it('are all expected something of', () => {
    assert.deepEqual(all.map(({ name }) => name).sort(), Object.keys(EXPECTED).sort());
  });

  for (const attack of all) it(`${attack.name} (${attack.published})`, () => endure(attack));

  it('take no more memory than is set aside', () => {
    const status = readFileSync(`/proc/${hop.proxy.pid}/status`, 'utf8');
    const peak = Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1]) / 1024;
    assert.ok(peak < MOST_MB, `${peak} MB`);
  });
});
