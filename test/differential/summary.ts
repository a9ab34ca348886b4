// Prints the differences of the last run: by area, then case by case. Arguments: result file, pattern of case names.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CaseResult } from './run-group.ts';

const [path = join(import.meta.dirname, 'results/latest.json'), pattern = ''] = process.argv.slice(2);
const { total, results } = JSON.parse(readFileSync(path, 'utf8')) as { total: number; results: CaseResult[] };
const failed = results.filter(({ ok, group, name }) => !ok && new RegExp(pattern).test(`${group} / ${name}`));

function count(keys: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts].toSorted((a, b) => b[1] - a[1]);
}

function shorten(value: unknown): string {
  const text = value === undefined ? '(nothing)' : JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

console.log(`${failed.length} of ${total} cases differ\n`);
for (const [group, cases] of count(failed.map((result) => result.group))) console.log(`${cases}\t${group}`);
console.log('');
const places = failed.flatMap(({ differences }) => [
  ...new Set(differences.map((one) => one.path.replace(/\[\d+\]/g, '[]'))),
]);
for (const [place, cases] of count(places)) console.log(`${cases}\t${place}`);
for (const { group, name, differences } of failed) {
  console.log(`\n${group} / ${name}`);
  for (const difference of differences) {
    console.log(
      `  ${difference.path}\n    envoy:  ${shorten(difference.envoy)}\n    heddle: ${shorten(difference.heddle)}`,
    );
  }
}
