// The log of findings: each once, as long as it lasts.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { FindingLog } from './finding-log.ts';
import type { Finding } from './source/finding.ts';

const finding = (message: string, severity: Finding['severity'] = 'error'): Finding => ({
  ...{
    severity,
    key: 'VirtualService/a/b',
    file: 'a.yaml',
    line: 1,
    column: 1,
    path: 'spec',
    message,
    remedy: 'mend it',
  },
});

it('tells each finding once, and again when it comes back', () => {
  const lines: string[] = [];
  const log = new FindingLog({
    error: (text: string) => void lines.push(`error ${text}`),
    warn: (text: string) => void lines.push(`warning ${text}`),
  });
  log.update([finding('one'), finding('two', 'warning'), finding('three', 'information')]);
  log.update([finding('one')]);
  assert.equal(lines.length, 2);
  assert.match(lines[0] ?? '', /^error a\.yaml:1:1: VirtualService\/a\/b: spec: one/);
  assert.match(lines[1] ?? '', /^warning .*two/);
  log.update([]);
  log.update([finding('one')]);
  assert.equal(lines.length, 3);
});

it('is short where much is wrong', () => {
  let lines = 0;
  const log = new FindingLog({ error: () => void lines++, warn: () => void lines++ });
  log.update(Array.from({ length: 1000 }, (_, i) => finding(String(i))));
  assert.equal(lines, 51);
});
