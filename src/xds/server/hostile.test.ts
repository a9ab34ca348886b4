// Whatever a client asks and answers, in whatever order: nothing is thrown, and others are served.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Clock } from '../../base/clock.ts';
import { CLUSTER_URL, ENDPOINT_URL, LIVE_URL, ROUTE_URL, VIRTUAL_HOST_URL } from './order.ts';
import { XdsServer } from './server.ts';
import { admission, describe, ScriptedClient, TestView, textResource, tick } from './testing/scripted-client.ts';

const names = fc.constantFrom(
  '',
  '*',
  'a',
  'b',
  'none',
  '80/',
  '80/a',
  '/',
  '__proto__',
  'constructor',
  'x'.repeat(5000),
);
const request = fc.record(
  {
    type_url: fc.constantFrom(CLUSTER_URL, ENDPOINT_URL, ROUTE_URL, VIRTUAL_HOST_URL, LIVE_URL, '', 'what/ever'),
    response_nonce: fc.constantFrom('', '1', '2', '3', '-1', 'NaN', '1e999', ' '),
    resource_names: fc.array(names, { maxLength: 4 }),
    resource_names_subscribe: fc.array(names, { maxLength: 4 }),
    resource_names_unsubscribe: fc.array(names, { maxLength: 4 }),
    initial_resource_versions: fc.dictionary(names, fc.constantFrom('', 'x'), { maxKeys: 3 }),
    version_info: fc.constantFrom('', 'x'),
    error_detail: fc.record({ message: fc.constantFrom('', 'a: no', 'b') }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
);
const step = fc.oneof(
  { weight: 5, arbitrary: request.map((what) => ({ ask: what })) },
  { weight: 2, arbitrary: fc.boolean().map((isRefused) => ({ answer: isRefused })) },
  { weight: 2, arbitrary: fc.constantFrom('change', 'wait', 'tick') },
);

for (const isDelta of [true, false]) {
  test(`any requests (${isDelta ? 'delta' : 'state of the world'})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const clock = new Clock({ manual: true });
        const view = new TestView();
        const clusters = view.table(CLUSTER_URL, 'a', 'b');
        view.table(ENDPOINT_URL, 'a', 'b');
        view.table(ROUTE_URL, 'a', '80');
        view.table(VIRTUAL_HOST_URL, '80/a', '80/b');
        const parts = { authenticate: () => '', admit: () => admission(view, { reportsLive: true }) };
        const server = new XdsServer<string>({ clock, identifier: '', ...parts });
        const hostile = new ScriptedClient(server, isDelta);
        let count = 1;
        for (const one of steps) {
          if (one === 'wait') clock.advance(700);
          else if (one === 'change') {
            clusters.apply([
              [count % 3 === 0 ? 'a' : 'c', count % 2 === 0 ? null : textResource(CLUSTER_URL, 'c', `${count}`)],
            ]);
            count++;
            server.push();
          } else if (one === 'tick') await tick(clock, 1);
          else if ('ask' in one) hostile.ask(one.ask as never);
          else {
            const response = hostile.next();
            if (response !== undefined) hostile.answer(response, one.answer ? 'a: no' : null, ['a']);
          }
        }
        const other = new ScriptedClient(server, true);
        other.ask({ type_url: ENDPOINT_URL, resource_names_subscribe: ['a'] });
        await tick(clock, 5);
        assert.equal(describe(other.next()), 'ClusterLoadAssignment a=1');
        server.close();
      }),
      { numRuns: 300 },
    );
  });
}
