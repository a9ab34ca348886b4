// Fail open, for who asks for it: while nobody listens on the proxy's port, the rules are away.
import { type ApplyRequest, apply, clean } from './capture.ts';
import type { Machine } from './machine.ts';
import { isListening } from './survey.ts';

/** How long connections fail after the proxy's end before they go out directly. */
const LOOK_EVERY_MS = 500;

/** Runs until SIGTERM or SIGINT; then the rules go as well. */
export async function keepOpen(
  machine: Machine,
  request: ApplyRequest,
  wait: (ms: number) => Promise<boolean>,
  say: (line: string) => void,
): Promise<void> {
  say('fail open: while no proxy listens, the rules are away and connections leave unencrypted');
  let isApplied = true;
  while (await wait(LOOK_EVERY_MS)) {
    const isThere = isListening(machine, request.options.proxyPort);
    if (isThere === isApplied) continue;
    if (isThere) apply(machine, request);
    else clean(machine);
    isApplied = isThere;
    say(isThere ? 'the proxy listens: the rules are back' : 'the proxy does not listen: the rules are away');
  }
  clean(machine);
  say('capture was taken away');
}
