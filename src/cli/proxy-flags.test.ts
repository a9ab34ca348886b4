// The flags of `heddle proxy`: what each becomes, and the one message that a wrong one gets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLAGS, type ParsedFlags, parseProxyFlags, proxyUsage } from './proxy-flags.ts';

type Run = Extract<ParsedFlags, { action: 'run' }>;

function parse(...args: string[]): Run {
  const parsed = parseProxyFlags(args);
  assert.equal(parsed.action, 'run', JSON.stringify(parsed));
  return parsed as Run;
}

test('without flags everything is as in Envoy', () => {
  const { options, log, warnings } = parse();
  assert.deepEqual(
    [options.mode, options.drainTimeMs, options.parentShutdownTimeMs, options.drainStrategy, options.baseId],
    ['serve', 600_000, 900_000, 'gradual', 0],
  );
  assert.deepEqual([options.fileFlushIntervalMs, options.concurrency, options.restartEpoch], [10_000, 1, 0]);
  assert.deepEqual([log.level, log.components, log.format, log.path], ['info', '', '', '']);
  assert.deepEqual(warnings, []);
});

test('each flag takes effect', () => {
  const { options, log, baseIdPath } = parse(
    ...['-c', 'a.yaml', '--config-yaml', 'b: 1', '--mode', 'validate', '-l', 'debug'],
    ...['--component-log-level', 'upstream:trace', '--log-format', '%v', '--log-path', 'x.log', '--log-format-escaped'],
    ...['--service-cluster', 'c', '--service-node', 'n', '--service-zone', 'z', '--drain-time-s', '7'],
    ...['--parent-shutdown-time-s', '8', '--drain-strategy', 'immediate', '--base-id', '9', '--base-id-path', 'id'],
    ...['--admin-address-path', 'admin', '--file-flush-interval-msec', '11', '--file-flush-min-size-kb', '12'],
    ...['--disable-extensions', 'a, b,', '--stats-tag', 'x:y', '--stats-tag', 'z:w', '--skip-deprecated-logs'],
    ...[
      '--allow-unknown-static-fields',
      '--reject-unknown-dynamic-fields',
      '--disable-hot-restart',
      '--enable-core-dump',
    ],
  );
  assert.deepEqual([options.configPath, options.configYaml, options.mode], ['a.yaml', 'b: 1', 'validate']);
  assert.deepEqual([options.serviceCluster, options.serviceNode, options.serviceZone], ['c', 'n', 'z']);
  assert.deepEqual(
    [options.drainTimeMs, options.parentShutdownTimeMs, options.drainStrategy],
    [7_000, 8_000, 'immediate'],
  );
  assert.deepEqual([options.baseId, baseIdPath, options.adminAddressPath], [9, 'id', 'admin']);
  assert.deepEqual([options.fileFlushIntervalMs, options.fileFlushMinSizeKb], [11, 12]);
  assert.deepEqual(
    [options.disabledExtensions, options.statsTags],
    [
      ['a', 'b'],
      ['x:y', 'z:w'],
    ],
  );
  assert.deepEqual([options.allowUnknownStaticFields, options.ignoreUnknownDynamicFields], [true, false]);
  assert.deepEqual([options.rejectUnknownDynamicFields, options.skipDeprecatedLogs], [true, true]);
  assert.deepEqual(
    [log.level, log.components, log.format, log.formatEscaped, log.path],
    ['debug', 'upstream:trace', '%v', true, 'x.log'],
  );
});

test('a wrong flag gets one message that names it', () => {
  const cases: readonly (readonly [string[], RegExp])[] = [
    [['--nonsense'], /--nonsense/],
    [['-x'], /-x/],
    [['-c'], /config-path/],
    [['--mode', 'sleep'], /^--mode takes one of serve, validate, init_only, not "sleep"$/],
    [['--drain-strategy', 'soon'], /^--drain-strategy takes one of gradual, immediate, not "soon"$/],
    [['--local-address-ip-version', 'v5'], /^--local-address-ip-version takes one of v4, v6/],
    [['-l', 'loud'], /^--log-level takes one of .*, not "loud"$/],
    [['--base-id', 'x'], /^--base-id takes a number, not "x"$/],
    [['--drain-time-s', '-1'], /--drain-time-s/],
    [['--drain-time-s', '1.5'], /^--drain-time-s takes a number/],
    [['--concurrency', ''], /^--concurrency takes a number, not ""$/],
    [['--concurrency', '257'], /^--concurrency takes at most 256/],
    [['--restart-epoch', '1'], /^--restart-epoch above 0 is not supported/],
    [['--stats-tag', 'nope'], /^--stats-tag takes TAG:VALUE/],
    [['--stats-tag', 'ok:yes', '--stats-tag', 'a.b:c'], /"a\.b:c"/],
    [['--ignore-unknown-dynamic-fields', '--reject-unknown-dynamic-fields'], /exclude each other$/],
    [['extra'], /extra/],
    [['--version=1'], /version/],
  ];
  for (const [args, expected] of cases) {
    const parsed = parseProxyFlags(args);
    assert.equal(parsed.action, 'error', args.join(' '));
    const { message } = parsed as Extract<ParsedFlags, { action: 'error' }>;
    assert.match(message, expected);
    assert.equal(message.split('\n').length, 1, message);
  }
});

test('concurrency 0 is one worker', () => {
  assert.equal(parse('--concurrency', '0').options.concurrency, 1);
  assert.equal(parse('--concurrency', '4').options.concurrency, 4);
});

test('what is not built yet is said', () => {
  assert.match(parse('--enable-fine-grain-logging').warnings.join(), /--enable-fine-grain-logging/);
});

test('asking for help or the version comes first, and the usage names every flag', () => {
  assert.equal(parseProxyFlags(['--version', '-c', 'x']).action, 'version');
  assert.equal(parseProxyFlags(['-h']).action, 'help');
  assert.equal(parseProxyFlags(['--hot-restart-version']).action, 'hot-restart-version');
  const usage = proxyUsage();
  for (const name of Object.keys(FLAGS)) assert.ok(usage.includes(`--${name}`), name);
});
