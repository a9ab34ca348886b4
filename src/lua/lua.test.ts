// The language: what programs print as LuaJIT in the real Envoy does, and that no program runs or grows for ever.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { chunkName, compile } from './compiler.ts';
import { openStandard } from './lib/standard.ts';
import { Coroutine, LuaError, LuaFunction, type LuaValue, NativeFunction } from './values.ts';
import { type Limits, Vm, YIELD } from './vm.ts';

const LIMITS: Limits = { instructions: 2_000_000, memoryBytes: 4 * 1024 * 1024 };

function machine(limits = LIMITS): { vm: Vm; printed: string[] } {
  const vm = new Vm(limits);
  const printed: string[] = [];
  const variables: Record<string, string> = { HOME: '/home/é' };
  openStandard(vm, {
    nowMs: () => 1_000_000,
    cpuSeconds: () => 1.5,
    random: () => 0.5,
    print: (text) => printed.push(text),
    getenv: (name) => variables[name],
  });
  return { vm, printed };
}

function start(vm: Vm, source: string, name = source): LuaValue[] {
  return vm.resume(new Coroutine(new LuaFunction(compile(source, chunkName(name)), [], vm.globals)), []);
}

/** What a program returns, or the value of the error that ends it. */
function run(source: string, limits = LIMITS): LuaValue[] | string {
  try {
    return start(machine(limits).vm, source, '=test');
  } catch (e) {
    assert.ok(e instanceof LuaError, String(e));
    return String(e.value);
  }
}

test('programs print what they print in LuaJIT', () => {
  const read = (name: string): string => readFileSync(new URL(`./testdata/${name}`, import.meta.url), 'latin1');
  const { vm, printed } = machine({ instructions: 50_000_000, memoryBytes: 64 * 1024 * 1024 });
  start(vm, read('language.lua'), '=probe');
  const lines = printed.join('\n').split('\n');
  const wanted = read('language.txt').trimEnd().split('\n');
  for (const [i, line] of wanted.entries()) assert.equal(lines[i]?.trimEnd(), line, `line ${i + 1}`);
  assert.equal(lines.length, wanted.length);
});

test('environment variables, clocks and randomness are the host’s', () => {
  assert.deepEqual(run("return os.getenv('HOME'), os.getenv('NONE'), os.time(), os.clock(), math.random(1, 3)"), [
    '/home/Ã©',
    undefined,
    1000,
    1.5,
    2,
  ]);
});

for (const call of [
  'io.open("x")',
  'os.execute("x")',
  'require("x")',
  'dofile("x")',
  'debug.sethook()',
  'loadfile("x")',
]) {
  test(`${call} is refused with its name`, () => {
    const name = call.slice(0, call.indexOf('('));
    assert.equal(
      run(`local ok, e = pcall(function() ${call} end) return e`)[0],
      `test:1: ${name} is not available: scripts reach no files, processes, modules or host memory`,
    );
  });
}

const TOO_LONG = /ran for too long \(limit is 2000000 instructions\)$/;
const TOO_MUCH = /not enough memory \(limit is 4194304 bytes\)$/;

for (const [what, source, reason] of [
  ['a loop', 'while true do end', TOO_LONG],
  ['a loop without a body', 'for i = 1, math.huge do end', TOO_LONG],
  ['a loop whose step is 0', 'for i = 1, 2, 0 do end', TOO_LONG],
  ['goto', '::a:: goto a', TOO_LONG],
  ['tail calls', 'local function f() return f() end f()', TOO_LONG],
  ['a loop in a pcall', 'while true do pcall(function() while true do end end) end', TOO_LONG],
  ['a loop in a coroutine', 'coroutine.wrap(function() while true do end end)()', TOO_LONG],
  ['a loop in a comparison', 'table.sort({3, 2, 1}, function() while true do end end)', TOO_LONG],
  ['a loop in a replacement', "('x'):gsub('x', function() while true do end end)", TOO_LONG],
  ['a loop in a metamethod', 'return setmetatable({}, {__index = function() while true do end end}).x', TOO_LONG],
  ['a loop in a handler of errors', 'xpcall(error, function() while true do end end)', TOO_LONG],
  ['a pattern that goes back', "('a'):rep(40):find(('a?'):rep(40) .. ('a'):rep(40))", TOO_LONG],
  ['a pattern of many stars', "('a'):rep(2000):find(('.-'):rep(8) .. 'b')", TOO_LONG],
  ['patterns of long sets', "for i = 1, 1e6 do ('x'):rep(1000):find('[' .. ('y'):rep(1000) .. ']') end", TOO_LONG],
  ['moving what is not there', 'table.move({}, 1, 4e6, 2)', TOO_LONG],
  ['long strings again and again', "while true do local s = ('x'):rep(1e6) end", TOO_LONG],
  ['joining long strings', "local s = ('x'):rep(1e6) while true do local t = s .. 'y' end", TOO_LONG],
  ['a long string', "return ('x'):rep(1e9)", TOO_MUCH],
  ['a string that doubles', "local s = 'x' while true do s = s .. s end", TOO_MUCH],
  ['a long string in a pcall', "return pcall(string.rep, 'x', 1e9)", TOO_MUCH],
  ['a table that grows', 'local t = {} for i = 1, 1e9 do t[i] = i end', TOO_MUCH],
  ['a table of names', "local t = {} for i = 1, 1e9 do t['k' .. i] = true end", TOO_MUCH],
  ['tables in tables', 'local t = {} while true do t = {t} end', TOO_MUCH],
  ['functions', 'local f while true do local g = f f = function() return g end end', TOO_MUCH],
  ['replacements', "return (('x'):rep(1e4):gsub('x', ('y'):rep(1e4)))", TOO_MUCH],
  ['joined pieces', "local t = {} for i = 1, 1e5 do t[i] = ('x'):rep(1000) end return table.concat(t)", TOO_MUCH],
  ['formats', "return ('%99s'):rep(1e5):format(unpack({}, 1, 7000))", /limit is|bad argument/],
] as const) {
  test(`ends: ${what}`, () => {
    const startMs = performance.now();
    const limits = reason === TOO_LONG ? LIMITS : { ...LIMITS, instructions: 20_000_000 };
    assert.match(String(run(source, limits)), reason);
    // A bound for slow machines; it is some tens of milliseconds.
    assert.ok(performance.now() - startMs < 5000);
  });
}

test('garbage is not counted', () => {
  assert.deepEqual(run('local s = 0 for i = 1, 50000 do local t = {i, {}} s = s + #t end return s'), [100_000]);
});

test('what nobody can catch is caught by nobody', () => {
  const text = run('pcall(function() while true do end end) return "went on"');
  assert.match(String(text), TOO_LONG);
});

for (const [what, source, reason] of [
  ['calls', 'local function f() return 1 + f() end return f()', /stack overflow$/],
  [
    'metamethods',
    'local t = setmetatable({}, {}) getmetatable(t).__index = function(_, k) return t[k .. "x"] end return t.a',
    /overflow$/,
  ],
  ['__index in circles', 'local t = {} setmetatable(t, {__index = t}) return t.a', /loop in gettable$/],
  ['coroutines in coroutines', 'local function f() return coroutine.wrap(f)() end return f()', /overflow$/],
  ['gsub in gsub', 'local function f() return (("x"):gsub("x", f)) end return f()', /overflow$/],
  ['brackets', `return load('return ' .. ('('):rep(1000) .. '1' .. (')'):rep(1000))`, /too many syntax levels/],
  ['terms', `return load('return 1' .. ('+1'):rep(200000))`, /./],
  ['indexes', `return load('return a' .. ('.b'):rep(200000))`, /./],
  ['calls of calls', `return load('return a' .. ('()'):rep(200000))`, /./],
  ['patterns', `return ('x'):rep(300):find(('(x'):rep(300))`, /too many captures|pattern too complex/],
] as const) {
  test(`goes deep: ${what}`, () => {
    assert.match(String(run(source, { instructions: 20_000_000, memoryBytes: 64 * 1024 * 1024 })), reason);
  });
}

test('the host goes on with a program that waits, across pcall and iterators', () => {
  const { vm, printed } = machine();
  vm.globals.set(
    'wait',
    new NativeFunction('wait', (args: LuaValue[]) => {
      vm.yielded = args;
      return YIELD;
    }),
  );
  const source = `local ok, v = pcall(wait, 'a') print(ok, v)
    for x in wait do print(x) end
    return wait('last')`;
  const coroutine = new Coroutine(new LuaFunction(compile(source, '=test'), [], vm.globals));
  assert.deepEqual(vm.resume(coroutine, []), ['a']);
  assert.deepEqual(vm.resume(coroutine, ['one']), [undefined, undefined]);
  vm.resume(coroutine, ['two']);
  assert.deepEqual(vm.resume(coroutine, []), ['last']);
  assert.deepEqual(vm.resume(coroutine, ['end', 2]), ['end', 2]);
  assert.equal(coroutine.status, 'dead');
  assert.deepEqual(printed, ['true\tone', 'two']);
});

test('a program cannot wait inside of native code that calls it', () => {
  assert.match(
    String(run('return pcall(table.sort, {2, 1}, function() coroutine.yield() end)')[1]),
    /attempt to yield across C-call boundary$/,
  );
});

test('random texts end in a message or run', () => {
  const words =
    'and end if then x 1 "s" ( ) { } = == .. ... function return local for in do while goto :: [[ ]] # - '.split(' ');
  let seed = 7;
  const next = (n: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed % n;
  };
  for (let i = 0; i < 3000; i++) {
    const source = Array.from({ length: next(14) }, () => words[next(words.length)]).join(' ');
    run(source, { instructions: 1000, memoryBytes: 1 << 20 });
  }
});
