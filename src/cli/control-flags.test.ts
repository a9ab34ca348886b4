// Options of `heddle control`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controlUsage, parseControlFlags } from './control-flags.ts';

test('defaults', () => {
  const parsed = parseControlFlags(['--config', 'mesh']);
  assert.ok(parsed.action === 'run');
  const { options, logLevel } = parsed;
  assert.equal(logLevel, 'info');
  assert.deepEqual(options.plain, { host: '127.0.0.1', port: 15010 });
  assert.deepEqual(options.secure, { host: '0.0.0.0', port: 15012 });
  assert.deepEqual(options.http, { host: '127.0.0.1', port: 15014 });
  assert.deepEqual([options.trustsLoopback, options.scopesGateways, options.tokens], [false, false, null]);
});

test('addresses and tokens', () => {
  const words = [
    '--config',
    '-',
    '--secure-address',
    '[::1]:0',
    '--scope-gateways',
    '--server-name',
    'a',
    '--server-name',
    'b',
  ];
  const tokens = ['--token-issuer', 'https://issuer', '--token-jwks', 'keys.json'];
  const parsed = parseControlFlags([...words, ...tokens]);
  assert.ok(parsed.action === 'run');
  const { options } = parsed;
  assert.deepEqual(options.secure, { host: '::1', port: 0 });
  assert.deepEqual([options.scopesGateways, options.serverNames], [true, ['a', 'b']]);
  assert.deepEqual(options.tokens, { issuer: 'https://issuer', jwksFile: 'keys.json', audience: 'istio-ca' });
});

test('roots keep the order of the command line, each once', () => {
  const words = [
    '--config',
    'a',
    '--config-overlay',
    'o',
    '--config-application=app',
    '--config',
    'b',
    '--config',
    'a',
  ];
  const parsed = parseControlFlags(words);
  assert.ok(parsed.action === 'run');
  assert.deepEqual(
    parsed.options.config.map(({ path, kind }) => `${path}: ${kind}`),
    ['a: objects', 'o: overlay', 'app: application', 'b: objects'],
  );
});

test('what cannot be meant is said', () => {
  const bad: [string[], RegExp][] = [
    [[], /--config is missing/],
    [['--config', 'a', '--what'], /what/],
    [['--config', 'a', '--grpc-address', '0.0.0.0:15010'], /loopback only/],
    [['--config', 'a', '--http-address', '127.0.0.1'], /HOST:PORT/],
    [['--config', 'a', '--http-address', 'x:99999'], /HOST:PORT/],
    [['--config', 'a', '--token-jwks', 'k'], /--token-issuer is missing/],
  ];
  for (const [args, expected] of bad) {
    const parsed = parseControlFlags(args);
    assert.ok(parsed.action === 'error', args.join(' '));
    assert.match(parsed.message, expected);
  }
  assert.equal(parseControlFlags(['-h']).action, 'help');
  assert.match(controlUsage(), /--config PATH/);
});
