// Access rules as RBAC messages, where the captures do not show them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AccessCondition, AccessPolicy } from '../../model/policy.ts';
import { accessFilters } from './filters.ts';

function policy(given: Partial<AccessPolicy>): AccessPolicy {
  return {
    ...{ key: 'AuthorizationPolicy/shop/p', namespace: 'shop', name: 'p', creationMs: 0, action: 'ALLOW' },
    ...{ targets: [], rules: [], isDryRun: false, provider: '', ...given },
  };
}

function condition(key: string, values: readonly string[], notValues: readonly string[] = []): AccessCondition {
  return { key, values, notValues };
}

type Rbac = { rules?: Rules; shadow_rules?: Rules; shadow_rules_stat_prefix?: string };
type Rules = { action: string; policies: Record<string, { permissions: unknown[]; principals: unknown[] }> };

function made(policies: readonly AccessPolicy[], trustDomains = ['cluster.local']): { http: Rbac[]; tcp: Rbac[] } {
  const { http, tcp } = accessFilters({ policies, closedBy: [], trustDomains });
  const messages = (filters: typeof http): Rbac[] => filters.map((filter) => filter.typed_config?.message as Rbac);
  return { http: messages(http), tcp: messages(tcp as typeof http) };
}

const ORIGIN = { key: 'AuthorizationPolicy/shop/p', index: 0 };

describe('access filters', () => {
  test('one for each action: noted, refused, let in', () => {
    const rules = [{ origin: ORIGIN, from: [], to: [], when: [] }];
    const all = (['ALLOW', 'AUDIT', 'DENY'] as const).map((action) => policy({ action, rules }));
    assert.deepEqual(
      made(all).http.map(({ rules: set }) => set?.action),
      ['LOG', 'DENY', 'ALLOW'],
    );
  });

  test('a policy that is tried out decides nothing', () => {
    const [deny] = made([policy({ action: 'DENY', isDryRun: true })]).http;
    assert.equal(deny?.rules, undefined);
    assert.equal(deny?.shadow_rules?.action, 'DENY');
    assert.equal(deny?.shadow_rules_stat_prefix, 'istio_dry_run_deny_');
    const both = made([policy({ isDryRun: true, name: 'tried' }), policy({})]).http;
    assert.equal(both.length, 1);
    assert.deepEqual(Object.keys(both[0]?.rules?.policies ?? {}), ['ns[shop]-policy[p]-rule[0]']);
    assert.deepEqual(Object.keys(both[0]?.shadow_rules?.policies ?? {}), ['ns[shop]-policy[tried]-rule[0]']);
  });

  test('on connections, rules on requests allow nobody and forbid without asking', () => {
    const rules = [{ origin: ORIGIN, from: [], to: [[condition('request.method', ['GET'])]], when: [] }];
    const [allow] = made([policy({ rules })]).tcp;
    assert.deepEqual(allow?.rules, { action: 'ALLOW', policies: {} });
    const [deny] = made([policy({ action: 'DENY', rules })]).tcp;
    const [only] = Object.values(deny?.rules?.policies ?? {});
    assert.deepEqual(only, {
      permissions: [{ and_rules: { rules: [{ any: true }] } }],
      principals: [{ and_ids: { ids: [{ any: true }] } }],
    });
  });

  test('what nobody can write allows nobody, and does not weaken what forbids', () => {
    const when = [condition('source.ip', ['10.0.0.0/8', 'nonsense']), condition('who.knows', ['x'])];
    const rules = [{ origin: ORIGIN, from: [], to: [], when }];
    assert.deepEqual(made([policy({ rules })]).http[0]?.rules?.policies, {});
    const [deny] = Object.values(made([policy({ action: 'DENY', rules })]).http[0]?.rules?.policies ?? {});
    const ids = [{ or_ids: { ids: [{ direct_remote_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } }] } }];
    assert.deepEqual(deny?.principals, [{ and_ids: { ids } }]);
  });

  test('a principal of the mesh is one in all of its trust domains', () => {
    const principals = ['cluster.local/ns/a/sa/b', 'other/ns/a/sa/b', '*/ns/a/sa/c'];
    const rules = [{ origin: ORIGIN, from: [[condition('source.principal', principals)]], to: [], when: [] }];
    const [only] = Object.values(made([policy({ rules })], ['new', 'old']).http[0]?.rules?.policies ?? {});
    assert.match(
      JSON.stringify(only),
      /"exact":"spiffe:\/\/new\/ns\/a\/sa\/b".*"exact":"spiffe:\/\/old\/ns\/a\/sa\/b"/,
    );
    assert.match(JSON.stringify(only), /"exact":"spiffe:\/\/other\/ns\/a\/sa\/b"/);
    assert.match(JSON.stringify(only), /"regex":"spiffe:\/\/\.\*\/ns\/a\/sa\/c"/);
  });

  test('trust domains, and values in lists of headers', () => {
    const from = [[condition('source.trustDomain', ['old', 'partner.*'], ['*.evil'])]];
    const when = [condition('request.experimental.inline.headers[x-roles]', ['admin', 'dev*'])];
    const [only] = Object.values(
      made([policy({ rules: [{ origin: ORIGIN, from, to: [], when }] })], ['new', 'old']).http[0]?.rules?.policies ??
        {},
    );
    const regexes = [...JSON.stringify(only?.principals).matchAll(/"(prefix|regex)":("(?:[^"\\\\]|\\\\.)*")/g)];
    assert.deepEqual(
      regexes.map(([, kind, text]) => `${kind} ${JSON.parse(text ?? '""')}`),
      [
        'prefix spiffe://new/',
        'prefix spiffe://old/',
        'regex spiffe://partner\\.[^/]*/.*',
        'regex spiffe://[^/]*\\.evil/.*',
        'regex (.*,\\s*)?admin(\\s*,.*)?',
        'regex (.*,\\s*)?dev[^,]*(\\s*,.*)?',
      ],
    );
  });

  test('claims, audiences and principals of tokens', () => {
    const when = [
      condition('request.auth.claims[groups]', ['a', 'b']),
      condition('request.auth.claims[nested][key]', ['c*']),
      condition('request.auth.principal', ['issuer/*'], ['*']),
    ];
    const [only] = Object.values(
      made([policy({ rules: [{ origin: ORIGIN, from: [], to: [], when }] })]).http[0]?.rules?.policies ?? {},
    );
    const text = JSON.stringify(only?.principals);
    const list = '"value_matchers":[{"string_match":{"exact":"a"}},{"string_match":{"exact":"b"}}]';
    assert(text.includes(`{"list_match":{"one_of":{"or_match":{${list}}}}},{"or_match":{${list}}}`));
    assert(text.includes('{"key":"payload"},{"key":"nested"},{"key":"key"}'));
    assert(text.includes('{"not_id":{"and_ids":{"ids":[{"metadata"'));
  });
});
