// `heddle agent`: certificates, control plane and health for a proxy, which it starts, drains and ends.
import type { AgentParts } from '../agent/agent.ts';
import type { AgentLog } from '../agent/identity/workload-identity.ts';
import { readSettings } from '../agent/config/environment.ts';
import type { AgentSettings } from '../agent/config/settings.ts';
import { BesideEnvoy } from '../agent/run/beside-envoy.ts';
import { Clock, Random } from '../base/clock.ts';
import { createEngine } from '../net/engine.ts';
import { FileWatch } from '../net/file-watch.ts';
import { whenGone } from '../net/inherited.ts';
import { createResolver, DEFAULT_RESOLVER } from '../net/resolver/resolver.ts';
import { giveBackWhenQuiet } from '../net/spare-memory.ts';
import { LogRegistry } from '../telemetry/log.ts';
import { StatStore } from '../telemetry/metrics.ts';
import { MetricRegistry } from '../telemetry/prometheus.ts';
import { agentUsage, machineFacts, parseAgentFlags } from './agent-flags.ts';

export async function runAgent(args: readonly string[]): Promise<void> {
  const orphan = endWithParent(process.env['HEDDLE_PARENT_FD'] ?? '');
  if (orphan !== null) {
    fail(orphan);
    return;
  }
  const parsed = parseAgentFlags(args);
  if (parsed === 'help') {
    process.stdout.write(agentUsage('agent'));
    return;
  }
  const settings = 'error' in parsed ? parsed : readSettings(parsed.flags, machineFacts());
  if ('error' in parsed || 'error' in settings) {
    fail('error' in settings ? settings.error : '');
    // Nothing else keeps the process but whom it would end with.
    process.exit(1);
  }
  const logs = LogRegistry.open({});
  if (typeof logs === 'string') {
    fail(logs);
    return;
  }
  const logger = logs.logger('agent');
  const log: AgentLog = (level, text) => logger.write(level, text);
  for (const note of parsed.notes) log('warning', note);
  for (const field of settings.proxyConfig.withoutEffect) log('warning', `ProxyConfig: ${field} has no effect here`);
  if (parsed.envoyPath !== null) {
    await startBeside(settings, parsed.envoyPath, log);
    return;
  }
  // Loaded when it is asked for: beside an Envoy nobody needs a proxy.
  const within = await (await import('./agent-heddle.ts')).startWithin(settings, logs);
  if (typeof within !== 'string') {
    endOnSignals(within.end, log);
    return;
  }
  fail(within);
  // What was half made must not keep the process.
  process.exit(1);
}

/** Who started this leaves it the other end of a pipe: when that is closed, however that happens, all of this ends. */
function endWithParent(text: string): string | null {
  if (text === '') return null;
  if (!/^\d{1,9}$/.test(text)) return `HEDDLE_PARENT_FD: ${text} is no number of a descriptor`;
  // Whoever listens to 'exit' takes along what it has started.
  const problem = whenGone(Number(text), () => process.exit(0));
  return problem === null ? null : `HEDDLE_PARENT_FD: ${problem}`;
}

function fail(message: string): void {
  for (const line of message.split('\n')) process.stderr.write(`heddle: ${line}\n`);
  process.exitCode = 1;
}

/** A stock Envoy as a child. */
async function startBeside(settings: AgentSettings, envoyPath: string, log: AgentLog): Promise<void> {
  const onOver = (status: number): void => process.exit(status);
  const beside = new BesideEnvoy(settings, makeParts(log), { envoyPath, variables: process.env, onOver });
  process.on('exit', () => beside.kill());
  endOnSignals(() => beside.end(), log);
  const problem = await beside.start();
  if (problem === null) {
    giveBackWhenQuiet(() => true);
    return;
  }
  fail(problem);
  process.exit(1);
}

function endOnSignals(end: () => void, log: AgentLog): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      log('warning', `caught ${signal}`);
      end();
    });
  }
}

function makeParts(log: AgentLog): AgentParts {
  const clock = new Clock();
  const random = new Random();
  const onBug = (error: unknown, where: string): void =>
    log('error', `bug in ${where}: ${error instanceof Error ? error.stack : String(error)}`);
  const engine = createEngine({ clock, onBug });
  clock.wrap = (run) => engine.run(run);
  clock.onError = (error) => onBug(error, 'timer');
  const resolver = createResolver(DEFAULT_RESOLVER, { engine, clock, random, stats: new StatStore() });
  return { engine, clock, random, resolver, watcher: new FileWatch(), registry: new MetricRegistry(), log };
}
