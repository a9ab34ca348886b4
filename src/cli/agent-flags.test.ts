// Flags of `heddle agent` as pilot-agent is called, and what is not understood.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AgentCommand, agentUsage, parseAgentFlags } from './agent-flags.ts';

function parsed(line: string): AgentCommand {
  const flags = parseAgentFlags(line === '' ? [] : line.split(' '));
  assert.ok(flags !== 'help' && !('error' in flags), JSON.stringify(flags));
  return flags;
}

test('a line of an injected pod is understood', () => {
  const line =
    'proxy sidecar --domain shop.svc.cluster.local --proxyLogLevel=warning --proxyComponentLogLevel=misc:error ' +
    '--log_output_level=default:info --profiling=false --stsPort=0 --concurrency 2';
  const { flags, envoyPath, notes } = parsed(line);
  assert.deepEqual(flags, {
    role: 'sidecar',
    domain: 'shop.svc.cluster.local',
    proxyLogLevel: 'warning',
    proxyComponentLogLevel: 'misc:error',
    concurrency: 2,
  });
  assert.equal(envoyPath, null);
  assert.deepEqual(notes, [
    '--stsPort has no effect: there is no security token service',
    '--profiling has no effect: there are no profiles',
    '--log_output_level has no effect: there are no levels',
  ]);
});

test('the role and our own flags', () => {
  assert.equal(parsed('').flags.role, 'sidecar');
  assert.equal(parsed('router').flags.role, 'router');
  assert.equal(parsed('proxy waypoint').flags.role, 'waypoint');
  const { flags, envoyPath } = parsed('--envoy /e --discovery a:1 --ca-address b:2 --join-token t --root-ca r --uds u');
  assert.equal(envoyPath, '/e');
  assert.deepEqual(flags, {
    role: 'sidecar',
    ...{ discovery: 'a:1', authority: 'b:2', joinToken: 't', rootCa: 'r', uds: 'u' },
  });
  assert.equal(parsed('--concurrency 0').flags.concurrency, undefined);
});

test('what is not understood is said', () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ['ztunnel', /no role "ztunnel": one of sidecar, router, waypoint/],
    ['proxy sidecar more', /no role "sidecar more"/],
    ['--concurrency many', /--concurrency takes a number, not "many"/],
    ['--nonsense', /Unknown option '--nonsense'/],
    ['--token', /argument missing/],
  ];
  for (const [line, message] of rows) {
    const flags = parseAgentFlags(line.split(' '));
    assert.ok(flags !== 'help' && 'error' in flags, line);
    assert.match(flags.error, message);
  }
  assert.equal(parseAgentFlags(['--help']), 'help');
  assert.match(agentUsage('agent'), /--envoy PATH +the Envoy to run/);
});
