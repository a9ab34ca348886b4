// Flags of `heddle intercept` as Istio's tool has them, and annotations as files hold them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type InterceptFlags, interceptUsage, parseAnnotations, parseInterceptFlags } from './intercept-flags.ts';

function parsed(line: string): InterceptFlags {
  const flags = parseInterceptFlags(line.split(' '));
  assert.ok(flags !== 'help' && !('error' in flags), JSON.stringify(flags));
  return flags;
}

test('a line of an injected pod is understood', () => {
  const { options } = parsed(
    'apply -p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x= -b * -d 15090,15021 --redirect-dns=true',
  );
  assert.deepEqual(options, {
    'envoy-port': '15001',
    'inbound-capture-port': '15006',
    'proxy-uid': '1337',
    'istio-inbound-interception-mode': 'REDIRECT',
    'istio-inbound-ports': '*',
    'istio-local-exclude-ports': '15090,15021',
    'istio-service-cidr': '*',
    'istio-service-exclude-cidr': '',
    'redirect-dns': 'true',
  });
  assert.equal(parsed('plan --drop-invalid=false').options['drop-invalid'], 'false');
  assert.equal(parsed('plan --drop-invalid').options['drop-invalid'], 'true');
});

test('the back-end and the place can be chosen', () => {
  assert.equal(parsed('apply').backend, 'auto');
  assert.equal(parsed('apply --native-nftables').backend, 'nft');
  const { backend, variant } = parsed('apply --force-iptables-binary legacy');
  assert.deepEqual([backend, variant], ['iptables', 'legacy']);
  assert.equal(parsed('clean --netns /run/netns/a').netns, '/run/netns/a');
  assert.equal(parsed('clean --network-namespace /run/netns/a').netns, '/run/netns/a');
  assert.deepEqual(parsed('plan --annotation a/b=c=d').annotations, { 'a/b': 'c=d' });
});

test("what Istio's tool also takes is taken or said", () => {
  assert.equal(parsed('apply -n').action, 'plan');
  assert.equal(parsed('apply --cleanup-only').action, 'clean');
  const { notes } = parsed('apply --log_output_level=default:info --run-validation --probe-timeout 5s');
  assert.deepEqual(notes, [
    '--run-validation has no effect: use heddle intercept check',
    '--probe-timeout has no effect: use heddle intercept check',
    '--log_output_level has no effect: there are no levels',
  ]);
});

test('what is not understood is said', () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ['begin', /no action "begin": one of plan, apply, clean, check/],
    ['apply --backend ipfw', /--backend takes nft, iptables or auto, not "ipfw"/],
    ['apply --force-iptables-binary new', /takes nft or legacy/],
    ['apply --annotation x', /takes KEY=VALUE/],
    ['apply --nonsense', /Unknown option '--nonsense'/],
    ['apply -p', /argument missing/],
    ['apply more', /more/],
  ];
  for (const [line, message] of rows) {
    const flags = parseInterceptFlags(line.split(' '));
    assert.ok(flags !== 'help' && 'error' in flags, line);
    assert.match(flags.error, message);
  }
  assert.equal(parseInterceptFlags([]), 'help');
  assert.equal(parseInterceptFlags(['apply', '--help']), 'help');
  assert.match(interceptUsage(), /-b, --istio-inbound-ports PORTS .*; default \*/);
});

test('annotations are read from the downward API, from a pod, and by themselves', () => {
  const wanted = { 'traffic.sidecar.istio.io/includeInboundPorts': '80', note: 'two\nlines' };
  const lines = 'traffic.sidecar.istio.io/includeInboundPorts="80"\nnote="two\\nlines"\n';
  assert.deepEqual(parseAnnotations(lines), wanted);
  assert.deepEqual(parseAnnotations(JSON.stringify(wanted)), wanted);
  assert.deepEqual(parseAnnotations(JSON.stringify({ kind: 'Pod', metadata: { annotations: wanted } })), wanted);
  assert.deepEqual(parseAnnotations(JSON.stringify({ kind: 'Pod', metadata: {} })), {});
  for (const text of ['{', 'a=b', '{"a": 1}', 'a="\\x"']) assert.ok('error' in parseAnnotations(text), text);
});
