// Broken configurations: both proxies refuse them, and Heddle's message names resource, field path and reason.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { freePort } from '../support/free-ports.ts';
import { arePeersRequired } from '../support/find-envoy.ts';
import { runToEnd } from '../support/proxy-process.ts';
import { Validator } from '../support/validator.ts';
import { configCases, configText } from './cases/bad-configs.ts';
import { configSourceCases } from './cases/config-sources.ts';
import { chainConfigCases } from './cases/chain-match-configs.ts';
import { onDemandConfigCases } from './cases/on-demand-bad.ts';
import { compositeConfigCases } from './cases/composite-bad.ts';
import { hcmConfigCases } from './cases/hcm-bad-configs.ts';
import { outlierConfigCases } from './cases/outlier-bad.ts';
import { filterConfigCases } from './cases/structural-bad.ts';
import { internalConfigCases } from './cases/internal-bad-configs.ts';
import { forwardProxyConfigCases } from './cases/forward-proxy-bad.ts';
import { forwardProxySubConfigCases } from './cases/forward-proxy-sub.ts';
import { httpFilterConfigCases } from './cases/http-filters-bad.ts';
import { http2ConfigCases } from './cases/http2-configs.ts';
import { listenerFilterConfigCases } from './cases/listener-filter-configs.ts';
import { luaConfigCases } from './cases/lua-more.ts';
import { matcherInputConfigCases } from './cases/matcher-inputs.ts';
import { slowStartConfigCases } from './cases/slow-start.ts';
import { formatFileConfigCases } from './cases/format-files.ts';
import { routeOptionConfigCases } from './cases/flush-timeout.ts';
import { networkConfigCases } from './cases/network-filters-bad.ts';
import { regexConfigCases } from './cases/regex-edges.ts';
import { tapConfigCases } from './cases/tap-bad.ts';
import { regexSizeConfigCases } from './cases/regex-size-configs.ts';
import { tlsConfigCases } from './cases/tls-configs.ts';
import { tcpConfigCases } from './cases/tcp-configs.ts';
import { udpConfigCases } from './cases/udp-configs.ts';
import { upstreamFilterConfigCases } from './cases/upstream-filters-bad.ts';
import { fillPlaceholders, placeholdersIn } from './config.ts';
import { only, other, reasonToSkip } from './options.ts';

const skip = reasonToSkip();
const directory = mkdtempSync(join(tmpdir(), 'heddle-bad-'));
const validator = new Validator();
/** Of so many configurations one is read by a program of its own, as users run it; the others by one for all. */
const OWN_PROGRAM = 20;
const isOwnHeddle = other === 'heddle' && (process.env['HEDDLE_COMMAND'] ?? '') === '';
after(() => {
  validator.stop();
  rmSync(directory, { recursive: true, force: true });
});

if (skip !== false && arePeersRequired()) {
  it('finds the real Envoy', () => assert.fail(skip));
}

describe('configurations that are refused', { skip, concurrency: 2 }, () => {
  const all = [
    ...configCases,
    ...chainConfigCases,
    ...compositeConfigCases,
    ...outlierConfigCases,
    ...onDemandConfigCases,
    ...filterConfigCases,
    ...configSourceCases,
    ...hcmConfigCases,
    ...internalConfigCases,
    ...listenerFilterConfigCases,
    ...luaConfigCases,
    ...forwardProxyConfigCases,
    ...forwardProxySubConfigCases,
    ...http2ConfigCases,
    ...httpFilterConfigCases,
    ...matcherInputConfigCases,
    ...slowStartConfigCases,
    ...formatFileConfigCases,
    ...routeOptionConfigCases,
    ...networkConfigCases,
    ...regexConfigCases,
    ...tapConfigCases,
    ...regexSizeConfigCases,
    ...tlsConfigCases,
    ...tcpConfigCases,
    ...udpConfigCases,
    ...upstreamFilterConfigCases,
  ];
  for (const [i, test] of all.filter(({ name }) => only.test(`config / ${name}`)).entries()) {
    it(test.name, async () => {
      const template = configText(test);
      const values = new Map<string, string | number>([
        ['dir', directory],
        ['log', join(directory, 'access.log')],
      ]);
      for (const name of placeholdersIn(template)) if (!values.has(name)) values.set(name, await freePort());
      const config = fillPlaceholders(template, values);
      const flags = ['--mode', 'validate', '-l', 'critical'];
      const own = mkdtempSync(join(directory, 'case-'));
      const others = mkdtempSync(join(directory, 'case-'));
      const isAlone = !isOwnHeddle || i % OWN_PROGRAM === 0;
      const [envoy, heddle] = await Promise.all([
        runToEnd('envoy', config, own, flags),
        isAlone ? runToEnd(other, config, others, flags) : validator.run(config, others, flags),
      ]);
      const isRefused = test.isGood !== true && test.stricter === undefined;
      assert.equal(envoy.code !== 0, isRefused, `the table is wrong about Envoy (${envoy.code}):\n${envoy.output}`);
      const isRefusedByOther = other === 'envoy' ? isRefused : test.isGood !== true;
      const found = `exit code ${heddle.code}; Envoy says:\n${envoy.output}\n${heddle.output}`;
      assert.equal(heddle.code !== 0, isRefusedByOther, found);
      if (other !== 'heddle' || !isRefusedByOther) return;
      assert.equal(heddle.code, 1, `exit code ${heddle.code}:\n${heddle.output}`);
      for (const text of test.mentions ?? []) {
        assert.ok(heddle.output.includes(text), `the message does not name ${text}:\n${heddle.output}`);
      }
      assert.ok(!/\n\s+at .*:\d+:\d+/.test(heddle.output), `the message shows a stack:\n${heddle.output}`);
    });
  }
});
