// Every verb has a summary, options that can be told, and examples.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERBS } from './run.ts';

test('every verb has a help with two examples, which call it', async () => {
  for (const [name, verb] of Object.entries(VERBS)) {
    if (verb.isHidden === true) continue;
    const spec = await verb.spec?.();
    const examples = spec?.examples ?? verb.examples ?? [];
    assert.ok(examples.length >= 2, `${name} has ${examples.length} examples`);
    for (const [command] of examples) assert.ok(command.includes(`heddle ${name}`), `${name}: ${command}`);
    if (spec === undefined) assert.match((await verb.usage?.()) ?? '', new RegExp(`^usage: heddle ${name}\\b`), name);
    else assert.equal(spec.verb, name);
    for (const [option, { type, value }] of Object.entries(spec?.options ?? {})) {
      assert.equal(value !== undefined, type === 'string', `${name} --${option}`);
    }
  }
});
