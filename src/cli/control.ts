// `heddle control`: runs the control plane in this process until a signal ends it.
import { giveBackWhenQuiet } from '../net/spare-memory.ts';
import { LogRegistry } from '../telemetry/log.ts';
import { controlUsage, parseControlFlags } from './control-flags.ts';
import { packageVersion } from './version.ts';

export async function runControl(args: readonly string[]): Promise<void> {
  const parsed = parseControlFlags(args);
  if (parsed.action === 'help') {
    process.stdout.write(controlUsage());
    return;
  }
  if (parsed.action === 'error') {
    fail(`${parsed.message}\nheddle control --help lists the options`);
    return;
  }
  const logs = LogRegistry.open({ level: parsed.logLevel });
  if (typeof logs === 'string') {
    fail(logs);
    return;
  }
  const { startControl } = await import('../control/control.ts');
  let started: Awaited<ReturnType<typeof startControl>>;
  try {
    started = await startControl(parsed.options, { logs, version: packageVersion() });
  } catch (error) {
    started = (error as Error).message;
  }
  if (typeof started === 'string') {
    fail(started);
    // A door or timer of a half-made start must not keep the process.
    process.exit(1);
  }
  const running = started;
  const log = logs.logger('main');
  const { plain, secure, http } = running.addresses;
  log.info(`xDS and CA: ${plain.host}:${plain.port} (plain), ${secure.host}:${secure.port} (TLS)`);
  log.info(`pages: http://${http.host}:${http.port}/debug/`);
  giveBackWhenQuiet(() => true);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      log.info(`caught ${signal}, exiting`);
      void running.stop().then(() => process.exit(0));
    });
  }
}

function fail(message: string): void {
  for (const line of message.split('\n')) process.stderr.write(`heddle: ${line}\n`);
  process.exitCode = 1;
}
