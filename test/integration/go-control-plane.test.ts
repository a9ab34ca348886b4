// The integration test of go-control-plane passes with Heddle where Envoy stands, however the proxy asks the server.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ProxyKind } from '../support/proxy-process.ts';
import {
  type GoUpstream,
  missing,
  type Ports,
  runScenario,
  type Scenario,
  scenarioPorts,
  startGoUpstream,
} from './go-control-plane-rig.ts';

/** A snapshot has listeners of each kind: HTTP, HTTP with scoped routes, TCP, and HTTP with virtual hosts on demand. */
const LISTENERS = 8;
/** Neither scopes nor virtual hosts come from servers yet. */
const FEWER = ['-scopedhttp=0', '-vhdshttp=0'];
const QUICK = [...FEWER, '-u=3', '-r=5', '-delay=200ms'];
/** A poll twice a second, and five of them until requests pass. */
const SLOW = [...FEWER, '-u=2', '-r=8', '-delay=300ms'];

const SCENARIOS: readonly (Scenario & { readonly name: string })[] = [
  { name: 'REST', mode: 'rest', flags: SLOW },
  { name: 'aggregated', mode: 'ads', flags: ['-runtimes=2', ...QUICK] },
  { name: 'aggregated, over TLS with secrets', mode: 'ads', flags: ['-runtimes=2', '-tls', ...QUICK] },
  { name: 'aggregated delta', mode: 'delta-ads', flags: QUICK },
  { name: 'aggregated delta, over TLS with secrets', mode: 'delta-ads', flags: ['-tls', ...QUICK] },
  { name: 'separate streams', mode: 'xds', flags: QUICK },
  { name: 'separate streams, endpoints one by one', mode: 'xds', flags: ['-mux', ...QUICK] },
  { name: 'separate delta streams', mode: 'delta', flags: QUICK },
  { name: 'separate delta streams, over TLS with secrets', mode: 'delta', flags: ['-tls', ...QUICK] },
];

/** The real Envoy passes too: that takes as long again, and is asked when the program is another one. */
const KINDS: readonly ProxyKind[] = process.env['HEDDLE_LONG'] === '1' ? ['heddle', 'envoy'] : ['heddle'];

/** The programs mostly wait. */
const AT_ONCE = 5;

describe("go-control-plane's integration test", { skip: missing ?? false, concurrency: AT_ONCE }, () => {
  let upstream: GoUpstream;
  const ports: Ports[] = [];
  before(async () => {
    upstream = await startGoUpstream();
    for (const _ of SCENARIOS) ports.push(await scenarioPorts(LISTENERS));
  });
  after(() => upstream.stop());

  for (const kind of KINDS) {
    for (const [i, scenario] of SCENARIOS.entries()) {
      it(`${kind}: ${scenario.name}`, async () => {
        const { code, output, failed, rejected } = await runScenario(kind, scenario, ports[i]!, upstream.port);
        assert.equal(code, 0, output);
        assert.match(output, /Test for \S+ passed!/);
        // The program is content with one good batch; once all is there, it has to stay.
        for (const batches of failed) assert.deepEqual([batches.at(-2), batches.at(-1)], [0, 0], output);
        assert.deepEqual(rejected, [], output);
      });
    }
  }
});
