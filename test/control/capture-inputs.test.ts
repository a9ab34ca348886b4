// The inputs of all captures load without an error.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemorySource } from '../../src/control/source/config-source.ts';
import { formatFinding } from '../../src/control/source/finding.ts';
import { openCaptures } from '../captures/captures.ts';
import { captureInput, captureInputNames } from './capture-inputs.ts';

/** The API server in memory that the captures were made with runs no rules; one HTTPRoute breaks one. */
const NOT_CHECKED_THERE = /^When using URLRewrite filter with path.replacePrefixMatch/;

for (const name of captureInputNames()) {
  test(`the input of ${name}`, () => {
    const { files, steps } = captureInput(name);
    const source = new MemorySource({ ...files, ...(steps === '' ? {} : { 'steps.yaml': steps }) });
    source.start();
    assert.ok(source.objects().size >= 60);
    const errors = source.findings().filter(({ severity }) => severity === 'error');
    // The steps of the trace say anew what others said before.
    const isExpected = (file: string): boolean => file === 'steps.yaml';
    const rest = errors.filter(({ file, message }) => !isExpected(file) && !NOT_CHECKED_THERE.test(message));
    assert.deepEqual(rest.map(formatFinding), []);
  });
}

test('every capture has an input', () => {
  for (const { name } of openCaptures().captures) captureInput(name);
});
