// The resources that we make of a captured istiod's input equal what it sent; differences are listed with reasons.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GOLDEN } from './golden-captures.ts';
import { INTENDED, type IntendedDifference } from './golden-differences.ts';
import { type Compared, compareCapture, type Renaming } from './golden-rig.ts';

/** Of the resources of all captures. */
const LEAST_EQUAL = 0.95;

/** Other names, in an order that keeps sorted lists sorted. */
const RENAMED: readonly (readonly [RegExp, string])[] = [
  [/bookinfo/g, 'booklore'],
  [/productpage/g, 'productview'],
  [/\breviews\b/g, 'reviewers'],
  [/(?<!\d)9080(?!\d)/g, '9180'],
  // Ends of port ranges.
  [/(?<!\d)9081(?!\d)/g, '9181'],
  [/\bjason\b/g, 'medea'],
  [/edition\.cnn\.com/g, 'edition.bbc.com'],
  [/vm\.internal/g, 'vn.internal'],
];
const rename: Renaming = (text) => RENAMED.reduce((done, [pattern, name]) => done.replace(pattern, name), text);

const VARIANTS: readonly (readonly [string, Renaming])[] = [
  ['as captured', (text) => text],
  ['with other hosts, ports and namespaces', rename],
];

for (const [title, renaming] of VARIANTS) {
  describe(`resources ${title}`, () => {
    const used = new Set<IntendedDifference>();
    let all = 0;
    let equal = 0;

    for (const capture of GOLDEN) {
      it(capture, () => {
        const compared = compareCapture(capture, renaming);
        assert.ok(compared.length > 0);
        all += compared.length;
        equal += compared.filter(({ differences }) => differences.length === 0).length;
        assert.deepEqual(unintended(capture, compared, used), []);
      });
    }

    it('nearly all are equal without an exception', () => {
      assert.ok(equal / all >= LEAST_EQUAL, `${equal} of ${all}`);
    });

    it('every exception is needed', () => {
      assert.deepEqual(
        INTENDED.filter((row) => !used.has(row)).map(({ reason }) => reason),
        [],
      );
    });
  });
}

function unintended(capture: string, compared: readonly Compared[], used: Set<IntendedDifference>): string[] {
  return compared.flatMap(({ typeUrl, name, differences }) => {
    const resource = `${typeUrl.split('.').at(-1)} ${name}`;
    return differences.flatMap(({ path, theirs, ours }) => {
      const row = INTENDED.find(
        (one) => one.capture.test(capture) && one.resource.test(resource) && one.path.test(path),
      );
      if (row === undefined) return [`${resource}: ${path}: ${shown(theirs)} is ${shown(ours)} here`];
      used.add(row);
      return [];
    });
  });
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 200);
}
