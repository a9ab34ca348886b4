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
const QUICK = ['-u=2', '-r=20', '-delay=200ms'];
/** A poll twice a second, and five of them until requests pass. */
const SLOW = ['-u=2', '-r=8', '-delay=500ms'];

const SCENARIOS: readonly (Scenario & { readonly name: string })[] = [
  { name: 'REST', mode: 'rest', flags: SLOW },
  { name: 'aggregated', mode: 'ads', flags: ['-runtimes=2', ...QUICK] },
  { name: 'aggregated delta', mode: 'delta-ads', flags: QUICK },
  { name: 'aggregated delta, over TLS with secrets', mode: 'delta-ads', flags: ['-tls', ...QUICK] },
  { name: 'separate streams, over TLS with secrets', mode: 'xds', flags: ['-tls', ...QUICK] },
  { name: 'separate streams, endpoints one by one', mode: 'xds', flags: ['-mux', ...QUICK] },
  { name: 'separate delta streams', mode: 'delta', flags: QUICK },
];

/** The real Envoy passes too: that takes as long again, and is asked when the program is another one. */
const KINDS: readonly ProxyKind[] = process.env['HEDDLE_LONG'] === '1' ? ['heddle', 'envoy'] : ['heddle'];

/** The programs mostly wait. */
const AT_ONCE = 4;

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
        // The program is content with one good batch, and gives a request 100 ms; once all is there, it has to stay.
        for (const batches of failed) assert.equal(Math.min(...batches.slice(-2)), 0, output);
        assert.deepEqual(rejected, [], output);
      });
    }
  }
});
