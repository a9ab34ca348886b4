// Validation says of generated documents what a real API server says: the recorded one always, one that runs here when
// there is time (HEDDLE_LONG=1).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validateObject } from '../../../src/control/schema/validate-object.ts';
import { formatPath } from '../../../src/control/source/finding.ts';
import { KINDS } from '../../../src/control/source/kinds.ts';
import type { ConfigObject } from '../../../src/control/source/object.ts';
import { ApiServer, isApiServerThere } from './api-server.ts';
import { askAll, recordedVerdicts, type Verdict, type Verdicts } from './verdicts.ts';

type Own = { readonly object: ConfigObject | null; readonly errors: readonly string[] };

function ownVerdict({ object, before }: Verdict): Own {
  const old = before === undefined ? null : ownVerdict({ object: before, refusal: null }).object;
  const validated = validateObject(structuredClone(object), old);
  assert.ok(validated !== null, `${String(object['kind'])} is not read`);
  if ('object' in validated) return { object: validated.object, errors: [] };
  for (const { path, message, remedy } of validated.errors) {
    assert.ok(path.length > 0 && message !== '' && remedy !== '', `of ${JSON.stringify(object)}: ${message}`);
  }
  return { object: null, errors: validated.errors.map(({ path, message }) => `${formatPath(path)}: ${message}`) };
}

/** Go takes a list of numbers for bytes; and the ports of endpoints may be any number, which no proxy can dial. */
const LOOSER_THERE =
  /^(?:data|binaryData)\S*: must be of type string: .* is of type array$|^ports\[\d+\]\.port: .* should be \w+ than or/;

function compare({ custom, core }: Verdicts): void {
  for (const verdict of custom) {
    const { object, errors } = ownVerdict(verdict);
    const about = `${JSON.stringify(verdict.object)}\nAPI server: ${verdict.refusal}\nown: ${errors.join('\n')}`;
    assert.equal(object !== null, verdict.refusal === null, about);
    if (object !== null) assert.deepEqual(object.spec, verdict.spec ?? {}, about);
  }
  for (const verdict of core) {
    // Of these kinds only some fields are looked at: what is refused must be refused there too.
    const { object, errors } = ownVerdict(verdict);
    if (verdict.refusal !== null || errors.every((error) => LOOSER_THERE.test(error))) continue;
    assert.ok(object !== null, `${JSON.stringify(verdict.object)}: ${errors.join('; ')}`);
  }
}

test('verdicts are those that were recorded', () => {
  const verdicts = recordedVerdicts();
  const { custom } = verdicts;
  assert.ok(custom.length >= 400);
  const refused = custom.filter(({ refusal }) => refusal !== null);
  assert.ok(refused.length >= 200 && custom.length - refused.length >= 200);
  assert.ok(refused.filter(({ object }) => ownVerdict({ object, refusal: null }).object === null).length >= 200);
  const kinds = new Set(custom.map(({ object }) => object['kind']));
  for (const { kind, schema } of KINDS) assert.ok(schema !== 'crd' || kinds.has(kind), `there is no ${kind}`);
  compare(verdicts);
});

const isAsked = process.env['HEDDLE_LONG'] === '1' && isApiServerThere();

if (isAsked) {
  test('verdicts are those of a real API server', async () => {
    const server = new ApiServer();
    try {
      await server.start();
      compare(await askAll(server, 25, 2));
    } finally {
      await server.stop();
    }
  });
}
