// The process log: levels, components and formats.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clock } from '../base/clock.ts';
import { type LogOptions, LogRegistry } from './log.ts';

function open(options: LogOptions = {}) {
  const lines: string[] = [];
  const clock = new Clock({ manual: true, wallMs: 1_795_269_715_054.748 });
  const logs = LogRegistry.open({ clock, write: (line) => lines.push(line), ...options });
  assert.ok(typeof logs !== 'string', String(logs));
  return { logs, lines };
}

test('levels hold per component and can be changed', () => {
  const { logs, lines } = open({ level: 'warn', components: 'http:debug,router:off', format: '%n %l %v' });
  const http = logs.logger('http');
  assert.equal(http.debugEnabled, true);
  assert.equal(http.traceEnabled, false);
  http.debug('a');
  http.trace('b');
  logs.logger('router').critical('c');
  logs.logger('main').info('d');
  logs.logger('main').warn('e');
  assert.equal(logs.change(new URLSearchParams('paths=main:trace,http:error')).status, 200);
  logs.logger('main').trace('f');
  http.warn('g');
  assert.deepEqual(lines, ['http debug a\n', 'main warning e\n', 'main trace f\n']);
  assert.match(logs.change(new URLSearchParams('level=info')).body, /^active loggers:\n {2}a2a: info\n/);
});

test('wrong options and queries get the words of Envoy', () => {
  const said = (options: LogOptions): unknown => LogRegistry.open({ write: () => {}, ...options });
  assert.equal(said({ level: 'bad' }), "error: invalid log level specified 'bad'");
  assert.equal(said({ components: 'foo:debug' }), "error: invalid component specified 'foo'");
  assert.equal(said({ components: 'http' }), "error: component log level not correctly specified 'http'");
  const { logs } = open();
  const { status, body } = logs.change(new URLSearchParams('nosuch=info'));
  assert.equal(status, 400);
  assert.match(body, /^error: unknown logger name\n\nusage: \/logging\?<name>=<level> \(change single level\)\n/);
  assert.match(body, /\nlevels: trace debug info warning error critical off \nactive loggers:\n/);
});

test('formats', () => {
  const cases: Readonly<Record<string, string>> = {
    '%Y|%m|%d|%e|%f|%F|%E': '2026|11|21|054|054748|054748000|1795269715',
    '%D|%x|%C|%a|%A|%b|%B': '11/21/26|11/21/26|26|Sat|Saturday|Nov|November',
    '%8l|%-8n|%=10l|%3!l|%L': '    info|main    |   info   |inf|I',
    'bad%Q %% %y': 'bad%Q % %y',
    '%v|%_|%j': 'a "b"\nc|a "b"\\nc|a \\"b\\"\\nc',
  };
  for (const [format, expected] of Object.entries(cases)) {
    const { logs, lines } = open({ format });
    logs.logger('main').info('a "b"\nc');
    assert.equal(lines[0], `${expected}\n`, format);
  }
  const { logs, lines } = open({ format: '%s:%# %v' });
  logs.logger('main').info('x');
  assert.match(lines[0] as string, /^log\.test\.ts:\d+ x\n$/);
});

test('control characters are escaped on demand', () => {
  const { logs, lines } = open({ format: '%v', formatEscaped: true });
  logs.logger('main').info('a\nb\tc\x01');
  assert.equal(lines[0], 'a\\nb\\tc\\x01\n');
});
