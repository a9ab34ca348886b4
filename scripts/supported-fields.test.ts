// The pages made from code are the ones that the code gives, and what the tables of fields claim is read somewhere.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { registry } from '../src/proto/registry.ts';
import { LIMITS, NO_EFFECT, OTHER_EXTENSIONS, REFUSED_WHOLE } from './support/field-notes.ts';
import { readSupport, renderPages, stateOf } from './supported-fields.ts';

const SOURCES = join(dirname(import.meta.dirname), 'src/proxy');
const MORE_SOURCES = join(dirname(import.meta.dirname), 'src/telemetry');

test('the pages made from code are up to date', () => {
  for (const [path, text] of renderPages()) {
    // Not assert.equal: its difference of two long pages helps nobody.
    assert.ok(readFileSync(path, 'utf8') === text, `${path} is stale; run bin/heddle-node scripts/supported-fields.ts`);
  }
});

test('every message and field of the tables and notes exists', () => {
  const { fields: known } = readSupport();
  for (const [name, fields] of known) {
    const type = registry.find(name);
    assert.ok(type !== undefined, name);
    if (fields === '*' || fields.has('**')) continue;
    for (const field of fields) assert.ok(type.fieldByName(field)?.name === field, `${name}.${field}`);
  }
  for (const name of REFUSED_WHOLE) assert.ok(known.has(name), name);
  for (const [, name] of OTHER_EXTENSIONS) assert.ok(registry.find(name) !== undefined, name);
  for (const key of [...LIMITS.keys(), ...NO_EFFECT.keys()]) {
    const dot = key.lastIndexOf('.');
    const fields = known.get(key.slice(0, dot));
    assert.ok(fields === '*' || fields?.has(key.slice(dot + 1)) === true, `${key} is in no table: its note is stale`);
  }
});

test('a field that takes effect is read by the code', () => {
  const words = wordsOfSources();
  const support = readSupport();
  const unread: string[] = [];
  for (const [name, fields] of support.fields) {
    if (fields === '*') continue;
    const type = registry.find(name)!;
    for (const field of type.fields) {
      if (stateOf(type, field, support).state === 'effect' && !words.has(field.name)) {
        unread.push(`${name}.${field.name}`);
      }
    }
  }
  assert.deepEqual(unread, [], 'read them, refuse them, or note in field-notes.ts why they change nothing');
});

test('a field whose message is not known counts as refused', () => {
  const support = readSupport();
  const type = registry.message('envoy.config.bootstrap.v3.Bootstrap');
  const state = (name: string) => stateOf(type as never, type.fieldByName(name)!, support).state;
  assert.equal(state('hds_config'), 'refused');
  assert.equal(state('static_resources'), 'effect');
  assert.equal(state('enable_dispatcher_stats'), 'no effect');
});

test('fields of an inert filter take no effect', () => {
  const support = readSupport();
  const name = 'envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy';
  const type = registry.message(name);
  const state = (field: string) => stateOf(type as never, type.fieldByName(field)!, support).state;
  assert.ok(support.inert.has(name));
  assert.equal(state('max_bson_depth'), 'no effect');
  assert.equal(state('delay'), 'refused');
});

/** Every word of the code but those of the tables (strings of several names) and of declarations (`name?:`). */
function wordsOfSources(): Set<string> {
  const words = new Set<string>();
  for (const folder of [SOURCES, MORE_SOURCES]) {
    for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (!path.endsWith('.ts') || path.endsWith('.test.ts')) continue;
      const code = readFileSync(join(folder, path), 'utf8')
        .replace(/^\s*(?:\/\/|\/?\*).*$/gm, '')
        .replace(/'[a-z0-9_ ]* [a-z0-9_ ]*'|`(?:\$\{[A-Z]+\}|[a-z0-9_\s])*`/g, '')
        .replace(/\b\w+\?:/g, '');
      for (const [word] of code.matchAll(/\b[a-z0-9_]+\b/g)) words.add(word);
    }
  }
  return words;
}
