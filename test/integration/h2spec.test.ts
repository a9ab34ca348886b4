// What RFC 9113 and RFC 7541 ask of a server, asked by h2spec, cleartext and over TLS.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { locatePeer } from '../../scripts/peers.ts';
import { server } from '../differential/cases/tls-fixtures.ts';
import { type Hop, type RunningHop, startHop } from '../support/http2-hops.ts';
import { runProgram } from '../support/run-program.ts';
import { scratchFolder, startUpstream, type Upstream } from './heddle.ts';

const h2spec = locatePeer('h2spec');
const skip = 'missing' in h2spec ? h2spec.missing : false;

const CASES = 146;
/**
 * A cleartext listener for both versions takes what does not begin with the preface for HTTP/1.1, as it must, and
 * answers 400 in that; RFC 9113, section 3.4, lets a server leave out GOAWAY where the peer is not using HTTP/2.
 */
const WITHOUT_PREFACE = 'http2/3.5 Sends invalid connection preface';

type Verdict = { readonly name: string; readonly isFailed: boolean };

/** Reads the cases of a JUnit report. */
function readReport(xml: string): Verdict[] {
  return [...xml.matchAll(/<testcase ([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map(
    ([, attributes = '', body = '']) => {
      const attribute = (name: string): string => new RegExp(` ?\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? '';
      return { name: `${attribute('package')} ${attribute('classname')}`, isFailed: /<(?:failure|error)/.test(body) };
    },
  );
}

describe('h2spec', { skip }, () => {
  let upstream: Upstream;
  before(async () => {
    upstream = await startUpstream();
  });
  after(() => upstream.stop());

  const ask = async (hop: Partial<Hop>, exceptions: readonly string[], ...flags: string[]): Promise<void> => {
    const folder = scratchFolder();
    const running: RunningHop = await startHop({ upstream: 'http1', ...hop }, upstream.port, folder);
    try {
      const report = join(folder, 'report.xml');
      const target = ['-h', '127.0.0.1', '-p', String(running.port), '-P', '/h2spec', '-o', '2', '-j', report];
      await runProgram((h2spec as { path: string }).path, [...target, ...flags], 110_000);
      const verdicts = readReport(readFileSync(report, 'utf8'));
      assert.equal(verdicts.length, CASES);
      const failed = verdicts.filter(({ isFailed }) => isFailed).map(({ name }) => name);
      assert.deepEqual(failed, exceptions);
      assert.equal(running.proxy.hasExited, false);
    } finally {
      await running.stop();
    }
  };

  it('is content with cleartext', () => ask({ manager: { codec_type: 'HTTP2' } }, []));
  it('is content with cleartext for both versions', () => ask({}, [WITHOUT_PREFACE]));
  it('is content with TLS', () => ask({ certificate: server }, [], '-t', '-k'));
});
