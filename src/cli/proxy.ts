// `heddle proxy`: runs the proxy in this process until a signal or /quitquitquit ends it.
import { writeFileSync } from 'node:fs';
import { addressText } from '../net/address.ts';
import { dropPagesOnceStarted, giveBackWhenQuiet } from '../net/spare-memory.ts';
import { type RunningProxy, startProxy, startThreadedProxy } from '../proxy/proxy.ts';
import { LogRegistry } from '../telemetry/log.ts';
import { parseProxyFlags, proxyUsage } from './proxy-flags.ts';
import { packageVersion } from './version.ts';

export async function runProxy(args: readonly string[]): Promise<void> {
  const parsed = parseProxyFlags(args);
  switch (parsed.action) {
    case 'help':
      process.stdout.write(proxyUsage());
      return;
    case 'version':
      process.stdout.write(`heddle  version: ${packageVersion()}\n`);
      return;
    case 'hot-restart-version':
      process.stdout.write('disabled\n');
      return;
    case 'error':
      fail(`${parsed.message}\nheddle proxy --help lists the options`);
      return;
    default:
      await start(parsed);
  }
}

function fail(message: string): void {
  for (const line of message.split('\n')) process.stderr.write(`heddle: ${line}\n`);
  process.exitCode = 1;
}

async function start(parsed: Extract<ReturnType<typeof parseProxyFlags>, { action: 'run' }>): Promise<void> {
  const { options } = parsed;
  const logs = LogRegistry.open(parsed.log);
  if (typeof logs === 'string') {
    fail(logs);
    return;
  }
  const log = logs.logger('main');
  for (const warning of parsed.warnings) log.warn(warning);
  if (parsed.baseIdPath !== '') {
    try {
      writeFileSync(parsed.baseIdPath, String(options.baseId));
    } catch (error) {
      fail(`cannot write --base-id-path ${parsed.baseIdPath}: ${(error as Error).message}`);
      return;
    }
  }
  // Without what objects inherit: a configuration may name any variable.
  const variables = Object.assign(Object.create(null), process.env) as NodeJS.ProcessEnv;
  const parts = { options, logs, variables, version: packageVersion() };
  // Nothing is started to validate.
  const isSingle = options.concurrency === 1 || options.mode === 'validate';
  const started = isSingle ? startProxy(parts) : await startThreadedProxy(parts);
  if ('error' in started) {
    fail(started.error);
    // A listener or timer of a half-made start must not keep the process.
    process.exit(1);
  }
  if (options.mode === 'validate') {
    process.stdout.write(`configuration '${options.configPath}' OK\n`);
    process.exit(0);
  }
  for (const { name, addresses } of started.crew.listeners()) {
    log.info(`listener ${JSON.stringify(name)}: ${addresses.map(addressText).join(', ')}`);
  }
  const { admin } = started.supervisor;
  if (admin !== null) log.info(`admin address: ${addressText(admin.address)}`);
  const { dns } = started.supervisor;
  if (dns !== null) log.info(`dns: ${dns.view.addresses.map(addressText).join(', ')}`);
  log.info('all dependencies initialized. starting workers');
  if (options.mode === 'init_only') {
    process.exit(0);
  }
  onSignals(started, log);
  const isLive = (): boolean => started.supervisor.state === 'LIVE';
  dropPagesOnceStarted(isLive);
  giveBackWhenQuiet(isLive);
}

function onSignals(proxy: RunningProxy, log: { info(text: string): void; warn(text: string): void }): void {
  const quit = (): void => {
    log.info('exiting');
    proxy.crew.end(() => process.exit(0));
  };
  proxy.supervisor.onQuit = quit;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      log.warn(`caught ${signal}`);
      quit();
    });
  }
  process.on('SIGUSR1', () => {
    log.warn('caught SIGUSR1. Reopening access logs.');
    proxy.crew.reopenLogs();
  });
  process.on('SIGHUP', () => log.warn('caught and eating SIGHUP'));
}
