// Differential cases: signatures in Lua scripts, the cluster specifier in Lua, and configurations that are refused.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, filter, http, route } from '../config.ts';
import { get, response } from '../messages.ts';
import type { ConfigCase } from './bad-configs.ts';

const LUA = 'envoy.extensions.filters.http.lua.v3.Lua';
const PER_ROUTE = 'envoy.extensions.filters.http.lua.v3.LuaPerRoute';
const NAME = 'envoy.filters.http.lua';
const SPECIFIER = 'envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig';

/** An RSA key as DER, and what its owner signed: 'signed text'. */
const KEY =
  'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA5Y3NQ/WxjuYuw/qcdiTTEV7Ebjc6/CvTrdbv1hqMk9FBr1vzbIcVggqT' +
  'UwI65f2avxVKGNkjLjT0R49LT2oBQoRIRFKUPGvg6cdFNOusOYnevs5VtJTf0ok5bdW2+LIFOpbMs9AxJcnSeLUjH5u9aEmREh/Z' +
  'x2vQNXEH+RZoUusKoCd3tMhycBirh80FUjDWEpAJgb/yrYaz0J2MzK7Cob7Gl6WPBVUcqCdTJ3sqfMhlbwLl8sHJkZWC758chpTS' +
  'SMiY3Q47KS++8ZLzPccQ9yLNGY4nnPHIrqyepJxqY4ER10zVM/Qs43HpHC4lOw4Z/QXNogjF4Dyz/RO/H7UoxQIDAQAB';
const SHA1 =
  'lwVvVwQIDyOikn7nkJhftgNledSmGqb6gUJhZLXhDhhG+jHU7jpr11+ky9bAZT+KxZFq5Q5QTHL0HiRCwVBQKNrx8VwRABaEFKyg' +
  'TGOj+40gr/PJzrsvvY9JfvCstHDivi1XTf3dhbHBpfDSLsAnyHtOnUaV9Mtuxi6uYAAldzxFi/69MV+VLwcvpwhC8uS5vU/nNNxD' +
  'jTyoWDGHziQ1mYIRTuNdtbYSjwWr9rrFofXGDt5Rrkg0BODlEU+hdgYAnIyUj4mclqiO23Z5JmxJdcvcN2nkyemg2wWIqspTI30R' +
  'z76HEfe8akoZ4Z6vLaeQsK5Lhona+SG8CpvfCMQvmw==';
const SHA256 =
  'BqtHWJryJhlFbUhwhYII4NBwTGAtyGYyCGwd31gwo59LGlP8ghZYOEotDmEm1vShjuv8V1OWbV+M3AEDIDQyzFoERbrbeGV7c9i6' +
  '14AmAqnwilUMQxzUlH1+JCRZQK+Oul4jb6gd/INOCwUYNnfUrDM4B0OXek4Dz3fHQTs0sy1nKPjCSdZuz+IW8t+Sn3Acq/lkoOjF' +
  'mM8VlPgmvX2JPu1REPX7U6c+By/pHDakxG9qwjAJsTYSOrXw86LzNtPc7iwHRwcYNpIosytMh4ZIReStMFRjjKNr4SfvE9uj3S5y' +
  'vLkKS/qJ/174u0FquxuVuzH+2cDESzKD3+9grdl03g==';
const SHA512 =
  'e8G8CavU6jHGLjCokljNTwABodM/WipsY2pCvHAkVkvD1E6AVtKeW4vypoCaljOUrMOHkcjklB/h1GYdPAcjgtp+P4Wz7yWMBQ3W' +
  'cUillXrcKOMLXfWyj/Vv84+G34SZ7TZ4LQJ18uoKd1rc1FONlLfA3kWUPWTLtoHG9CD6o8J4uj7l3s9BtaB8lFYW6n2iS/4yoYI+' +
  '3IpiOXBrskOZZC/y+jiPnaWOx8VPoegxPOkxxCsU5t0GhkaUrCa1OrbmZcO+TNwUCRiyS7EAsyZCv5+8dQL94I/Qvpm12+jYdqux' +
  'J2Nya2lEUrCadKP3VVPfRYnVB73cZsk95AotEMPp7A==';

function signature(name: string, hash: string, signed: string, text = 'signed text'): string {
  return `
    local der = h:base64Decode('${KEY}')
    local key = h:importPublicKey(der, #der)
    local signature = h:base64Decode('${signed}')
    local ok, e = h:verifySignature('${hash}', key:get(), signature, #signature, '${text}', ${text.length})
    h:headers():add('x-${name}', tostring(ok) .. ' ' .. tostring(e) .. ' ' .. #key:get())`;
}

const SIGNATURES = `function envoy_on_request(h)
  ${signature('sha256', 'SHA256', SHA256)}
  ${signature('sha1', 'sha1', SHA1)}
  ${signature('sha512', 'sha512', SHA512)}
  ${signature('other-hash', 'sha384', SHA512)}
  ${signature('no-hash', 'md4', SHA512)}
  ${signature('other-text', 'sha256', SHA256, 'other text!')}
  local bad = h:importPublicKey('x', 1)
  h:headers():add('x-bad', tostring(#bad:get()))
end`;

const NO_KEY = `function envoy_on_request(h)
  local bad = h:importPublicKey('no key', 6)
  h:headers():add('x-bad', tostring(bad:get()))
  h:headers():add('x-error', (select(2, pcall(function() h:verifySignature('sha256', 'x', 'y', 1, 'z', 1) end))))
end`;

function withScript(source: string): Fields {
  return { typed_per_filter_config: { [NAME]: any(PER_ROUTE, { source_code: { inline_string: source } }) } };
}

const CHOICE = `function envoy_on_route(h)
  local t = h:headers():get('x-to')
  if t == 'nothing' then return end
  if t == 'table' then return {} end
  if t == 'number' then return 5 end
  if t == 'two' then return 'a', 'b' end
  if t == 'error' then error('no') end
  if t == 'count' then
    local c = h:getCluster('a')
    return c:numRequests() + c:numPendingRequests() == 0 and h:getCluster('none') == nil and 'a' or 'b'
  end
  if t == 'change' then h:headers():add('x', 'y') end
  if t == 'path' then return h:headers():get(':path') == '/chosen' and 'a' or 'b' end
  return t
end`;

function specified(source: string, defaultCluster = 'b'): Fields {
  const config = any(SPECIFIER, { source_code: { inline_string: source }, default_cluster: defaultCluster });
  return { inline_cluster_specifier_plugin: { extension: { name: 'lua', typed_config: config } } };
}

const listener = http({
  name: 'more',
  filters: [filter(NAME, LUA)],
  routes: [
    route('/signatures', 'a', {}, withScript(SIGNATURES)),
    route('/no-key', 'a', {}, withScript(NO_KEY)),
    { match: { prefix: '/chosen' }, route: specified(CHOICE) },
    { match: { prefix: '/no-default' }, route: specified('function envoy_on_route(h) end', '') },
  ],
});

const upstream = { a: [response(200, 'a')], b: [response(200, 'b')] };
const TARGETS = ['a', 'b', 'none', 'nothing', 'table', 'number', 'two', 'error', 'count', 'change', 'path'];

const cases: readonly Case[] = [
  { name: 'signatures', send: get('/signatures'), upstream },
  { name: 'no key', send: get('/no-key'), upstream },
  ...TARGETS.map((to): Case => ({ name: `chooses ${to}`, send: get('/chosen', `x-to: ${to}`), upstream })),
  { name: 'chooses nothing, and there is no default', send: get('/no-default'), upstream },
].map((one) => ({ ...one, to: 'more' }));

export const luaMoreGroups: readonly Group[] = [
  {
    name: 'lua more',
    config: bootstrap({ listeners: [listener], clusters: [cluster('a'), cluster('b')] }),
    cases,
  },
];

function withFilter(fields: Fields): Fields {
  return bootstrap({
    listeners: [http({ name: 'main', filters: [filter(NAME, LUA, fields)] })],
    clusters: [cluster('a')],
  });
}

function withRoute(entry: Fields): Fields {
  const main = http({ name: 'main', filters: [filter(NAME, LUA)], routes: [entry] });
  return bootstrap({ listeners: [main], clusters: [cluster('a')] });
}

function code(text: string): Fields {
  return { default_source_code: { inline_string: text } };
}

const FAILED = 'script load error';
const SCRIPTS: Readonly<Record<string, string>> = {
  'no Lua': 'function x(',
  'an error as it is loaded': "error('no')",
  'a call of nothing': 'nothing()',
  'a yield as it is loaded': 'coroutine.yield()',
  'a label that is not there': 'goto nowhere',
};

export const luaConfigCases: readonly ConfigCase[] = [
  ...Object.entries(SCRIPTS).map(
    ([name, text]): ConfigCase => ({ name: `lua: ${name}`, config: withFilter(code(text)), mentions: [FAILED] }),
  ),
  {
    name: 'lua: two default scripts',
    config: withFilter({ inline_code: 'x = 1', ...code('x = 1') }),
    mentions: ['Only one of `inline_code` or `default_source_code`'],
  },
  {
    name: 'lua: a named script is none',
    config: withFilter({ source_codes: { a: { inline_string: 'x x' } } }),
    mentions: [FAILED],
  },
  {
    name: 'lua: no file',
    config: withFilter({ default_source_code: { filename: '/nowhere.lua' } }),
    mentions: ['/nowhere.lua'],
  },
  {
    name: 'lua: a script on a route is none',
    config: withRoute(route('/', 'a', {}, withScript('x x'))),
    mentions: [FAILED],
  },
  {
    name: 'lua: disabled is false',
    config: withRoute(
      route('/', 'a', {}, { typed_per_filter_config: { [NAME]: any(PER_ROUTE, { disabled: false }) } }),
    ),
  },
  {
    name: 'lua: a specifier is none',
    config: withRoute({ match: { prefix: '/' }, route: specified('x x') }),
    mentions: [FAILED],
  },
  {
    name: 'lua: package paths',
    config: withFilter({ package_paths: ['/x/?.lua'] }),
    mentions: ['package_paths'],
    stricter: 'scripts reach no files',
  },
  {
    name: 'lua: a shared machine',
    config: withFilter({ shared_vm_id: 'x', ...code('x = 1') }),
    mentions: ['shared_vm_id'],
    stricter: 'each script has a machine of its own',
  },
  {
    name: 'lua: a specifier without its function',
    config: withRoute({ match: { prefix: '/' }, route: specified('x = 1') }),
    mentions: ['envoy_on_route() function not found'],
  },
  { name: 'lua: no script at all', config: withFilter({}), isGood: true },
  { name: 'lua: an empty script', config: withFilter(code('')), isGood: true },
];
