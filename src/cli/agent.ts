// `heddle agent`: certificates, control plane and health for a proxy, which it starts, drains and ends.
import { Agent, type AgentLog } from '../agent/agent.ts';
import { loopback, makeBootstrap } from '../agent/bootstrap/bootstrap.ts';
import { readSettings } from '../agent/config/environment.ts';
import type { AgentSettings } from '../agent/config/settings.ts';
import { envoyArguments, ProxyProcess } from '../agent/process/proxy-process.ts';
import { Clock, Random } from '../base/clock.ts';
import { createEngine } from '../net/engine.ts';
import { FileWatch } from '../net/file-watch.ts';
import { askHttpOnce } from '../net/http-request.ts';
import { createResolver, DEFAULT_RESOLVER } from '../net/resolver/resolver.ts';
import { LogRegistry } from '../telemetry/log.ts';
import { StatStore } from '../telemetry/metrics.ts';
import { MetricRegistry } from '../telemetry/prometheus.ts';
import { agentUsage, machineFacts, parseAgentFlags } from './agent-flags.ts';

const ADMIN_TIMEOUT_MS = 5000;
const MAX_ADMIN_BYTES = 16 * 1024 * 1024;

export async function runAgent(args: readonly string[]): Promise<void> {
  const parsed = parseAgentFlags(args);
  if (parsed === 'help') {
    process.stdout.write(agentUsage('agent'));
    return;
  }
  const settings = 'error' in parsed ? parsed : readSettings(parsed.flags, machineFacts());
  if ('error' in parsed || 'error' in settings) {
    fail('error' in settings ? settings.error : '');
    return;
  }
  const logs = LogRegistry.open({});
  if (typeof logs === 'string') {
    fail(logs);
    return;
  }
  const logger = logs.logger('agent');
  const log: AgentLog = (level, text) => logger.write(level, text);
  for (const note of parsed.notes) log('warning', note);
  await startBeside(settings, parsed.envoyPath ?? settings.proxyConfig.binaryPath, log);
}

function fail(message: string): void {
  for (const line of message.split('\n')) process.stderr.write(`heddle: ${line}\n`);
  process.exitCode = 1;
}

/** A stock Envoy as a child. */
async function startBeside(settings: AgentSettings, envoyPath: string, log: AgentLog): Promise<void> {
  const agent = makeAgent(settings, log);
  const problem = await agent.start();
  if (problem !== null) {
    fail(problem);
    process.exit(1);
  }
  const { xdsSocket, sdsSocket } = agent;
  const path = agent.writeBootstrap(makeBootstrap(settings, { proxy: { kind: 'envoy' }, xdsSocket, sdsSocket }));
  const host = loopback(settings);
  let isEnding = false;
  const proxy = new ProxyProcess(
    { path: envoyPath, args: envoyArguments(settings, path), variables: process.env },
    {
      clock: agent.clock,
      log,
      ask: (method, path) =>
        askHttpOnce({
          ...{ host, port: settings.ports.admin, path, method },
          ...{ timeoutMs: ADMIN_TIMEOUT_MS, maxBytes: MAX_ADMIN_BYTES },
        }),
      onExit: ({ code, signal }) => {
        const how = signal === null ? `with status ${code}` : `by ${signal}`;
        log(isEnding ? 'info' : 'error', `the proxy ended ${how}`);
        agent.stop();
        process.exit(isEnding ? 0 : code === null || code === 0 ? 1 : code);
      },
    },
  );
  const end = (signal: string): void => {
    log('warning', `caught ${signal}`);
    if (isEnding) proxy.stop();
    isEnding = true;
    void proxy.drain(settings.drain, settings.role === 'sidecar');
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(signal));
  process.on('exit', () => proxy.kill());
  proxy.start();
}

function makeAgent(settings: AgentSettings, log: AgentLog): Agent {
  const clock = new Clock();
  const random = new Random();
  const onBug = (error: unknown, where: string): void =>
    log('error', `bug in ${where}: ${error instanceof Error ? error.stack : String(error)}`);
  const engine = createEngine({ clock, onBug });
  clock.wrap = (run) => engine.run(run);
  clock.onError = (error) => onBug(error, 'timer');
  const resolver = createResolver(DEFAULT_RESOLVER, { engine, clock, random, stats: new StatStore() });
  return new Agent(settings, {
    ...{ engine, clock, random, resolver, watcher: new FileWatch(), registry: new MetricRegistry(), log },
  });
}
