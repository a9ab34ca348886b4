// `heddle bootstrap`: prints the bootstrap that `heddle agent` gives its proxy.
import { resolve } from 'node:path';
import { makeBootstrap } from '../agent/bootstrap/bootstrap.ts';
import { readSettings } from '../agent/config/environment.ts';
import { agentUsage, machineFacts, parseAgentFlags } from './agent-flags.ts';

export async function runBootstrap(args: readonly string[]): Promise<void> {
  const parsed = parseAgentFlags(args);
  if (parsed === 'help') {
    process.stdout.write(agentUsage('bootstrap'));
    return;
  }
  const settings = 'error' in parsed ? parsed : readSettings(parsed.flags, machineFacts());
  if ('error' in settings) {
    for (const line of settings.error.split('\n')) process.stderr.write(`heddle: ${line}\n`);
    process.exitCode = 1;
    return;
  }
  const bootstrap = makeBootstrap(settings, {
    proxy: { kind: 'envoy' },
    xdsSocket: resolve(settings.configDirectory, 'XDS'),
    sdsSocket: resolve(settings.udsDirectory, 'socket'),
  });
  process.stdout.write(`${JSON.stringify(bootstrap, null, 2)}\n`);
}
