// A resource that moves from one of a client's tables to another: told once, whichever way it goes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../../base/clock.ts';
import { ENDPOINT_URL } from './order.ts';
import { XdsServer } from './server.ts';
import { admission, describe, ScriptedClient, TestView, textResource, tick } from './testing/scripted-client.ts';

for (const [from, to] of [
  [0, 1],
  [1, 0],
] as const) {
  test(`a resource that moves from table ${from} to table ${to} comes once`, async () => {
    const clock = new Clock({ manual: true });
    const view = new TestView();
    const authenticate = (): string => 'somebody';
    const admit = () => admission(view);
    const server = new XdsServer<string>({ clock, identifier: 'test', authenticate, admit });
    const tables = [view.table(ENDPOINT_URL, 'x'), view.table(ENDPOINT_URL, 'y')] as const;
    tables[from].apply([['a', textResource(ENDPOINT_URL, 'a', '1')]]);
    const client = new ScriptedClient(server);
    client.ask({ type_url: ENDPOINT_URL, resource_names_subscribe: ['a', 'x', 'y'] });
    await tick(clock);
    const first = client.next();
    assert.match(describe(first), /a=1/);
    client.answer(first as never);
    await tick(clock);
    tables[from].apply([['a', null]]);
    tables[to].apply([['a', textResource(ENDPOINT_URL, 'a', '2')]]);
    server.push();
    await tick(clock);
    assert.equal(describe(client.next()), 'ClusterLoadAssignment a=2');
  });
}
