// Random Lua scripts for generated configurations, each of a few lines that are put together.
import type { Random } from './random.ts';

const ON_REQUEST = [
  "h:headers():add('x-lua', 'r')",
  "h:headers():replace('x-one', 'lua')",
  "h:headers():remove('x-two')",
  "if h:headers():get('x-one') == 'v' then h:respond({[':status'] = '418', ['x-lua'] = 'no'}, 'of lua') end",
  "local b = h:body() h:headers():add('x-lua-length', b and b:length() or 'none')",
  "local b = h:body(true) h:headers():add('x-lua-length', b:length())",
  "local n = 0 for c in h:bodyChunks() do n = n + c:length() end h:logTrace('n ' .. n)",
  "local b = h:body() if b then b:setBytes('set by lua') end",
  "h:streamInfo():dynamicMetadata():set('ns', 'k', 'from lua')",
  "local m = h:streamInfo():dynamicMetadata():get('ns') h:headers():add('x-lua-k', tostring(m and m['k']))",
  "local t = h:trailers() if t then t:add('x-lua-trailer', 'r') end",
  "h:headers():replace(':path', '/a/lua')",
  "h:headers():add('x-lua-protocol', h:streamInfo():protocol())",
  "h:headers():add('x-lua-nil', nil)",
  'h:nothing()',
  'h:clearRouteCache()',
];
const ON_RESPONSE = [
  "h:headers():add('x-lua', 'a')",
  "h:headers():replace(':status', '202')",
  "h:headers():remove('x-up')",
  "local b = h:body() h:headers():add('x-lua-length', b and b:length() or 'none')",
  "local b = h:body(true) b:setBytes('answer of lua')",
  "local n = 0 for c in h:bodyChunks() do n = n + c:length() end h:logTrace('n ' .. n)",
  "h:headers():add('x-lua-status', h:headers():get(':status'))",
  "local t = h:trailers() if t then t:add('x-lua-trailer', 'a') end",
  "local m = h:streamInfo():dynamicMetadata():get('ns') h:headers():add('x-lua-k', tostring(m and m['k']))",
  "h:headers():add('x-lua-cluster', h:streamInfo():routeName())",
];

/** Lines in blocks of their own, so that names of one do not matter to the next. */
export function luaScript(random: Random): string {
  const lines = (from: readonly string[]): string =>
    random
      .many(1, 2, () => random.pick(from))
      .map((line) => `  do ${line} end`)
      .join('\n');
  const parts: string[] = [];
  if (random.chance(0.8)) parts.push(`function envoy_on_request(h)\n${lines(ON_REQUEST)}\nend`);
  if (random.chance(0.6)) parts.push(`function envoy_on_response(h)\n${lines(ON_RESPONSE)}\nend`);
  return parts.length === 0 ? 'local nothing = 1' : parts.join('\n');
}
