// Follows a CA that is plugged in as files: what takes their place is checked, and signs once proxies know it.
import type { Timer } from '../base/clock.ts';
import type { DirectoryWatcher } from '../net/file-watch.ts';
import type { Authority } from './authority.ts';
import { readPluggedIn } from './storage/plugged-in.ts';

/** Four files are not replaced at once. */
const SETTLE_MS = 1000;

/**
 * Returns what ends it; a text says why the directory cannot be watched. What does not fit is told of, and the CA signs
 * on as it did.
 */
export function followPluggedIn(
  authority: Authority,
  directory: string,
  watcher: DirectoryWatcher,
): (() => void) | string {
  const { clock, log, source } = authority.options;
  if (source.kind !== 'plugged-in') return 'the CA is not plugged in';
  let isClosed = false;
  const read = async (): Promise<void> => {
    clock.update();
    const issuer = await readPluggedIn(source.from, source.passphrase, clock.wallMs);
    if (isClosed) return;
    if (typeof issuer !== 'string') authority.plug(issuer);
    else log.write('error', `the CA that was put in place is refused, and the one of before signs on: ${issuer}`);
  };
  const timer: Timer = clock.timer(() => {
    read().catch((error: Error) => log.write('error', `the CA in ${directory} cannot be read: ${error.message}`));
  }, null);
  const again = (): void => timer.arm(SETTLE_MS);
  const watch = watcher.watch(directory, { onMoved: again, onChanged: again });
  if (typeof watch === 'string') return watch;
  return () => {
    isClosed = true;
    timer.disarm();
    watch.close();
  };
}
