// The inner process: it is told what to run by the outer one, and ends with it.
import { giveBackWhenQuiet } from '../net/spare-memory.ts';
import type { InnerStart, ToInner, ToOuter } from './launch/messages.ts';
import { Mesh } from './mesh/mesh.ts';
import type { OuterLink } from './mesh/spawner.ts';
import { makeNarrator } from './narrate/narrator.ts';

export function runInner(): void {
  const listeners: ((message: ToInner) => void)[] = [];
  const link: OuterLink = {
    send: (message: ToOuter) => {
      if (process.connected) process.send?.(message);
    },
    onMessage: (take) => listeners.push(take),
  };
  let mesh: Mesh | null = null;
  // A terminal's signals are for the outer process.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  // Whoever read what is printed may be gone, and with it the reason to go on: `heddle up | head`.
  process.stdout.removeAllListeners('error');
  process.stdout.on('error', () => link.send({ kind: 'unheard' }));
  process.on('disconnect', () => {
    if (mesh === null) process.exit(1);
    mesh.abandon();
  });
  process.on('message', (message: ToInner) => {
    for (const take of listeners) take(message);
    if (message.kind === 'start') void start(message.options);
    else if (message.kind === 'stop') void stop();
  });

  async function start(options: InnerStart): Promise<void> {
    const narrator = makeNarrator(options);
    try {
      mesh = new Mesh(options, link, narrator);
      await mesh.start();
      giveBackWhenQuiet(() => true);
    } catch (error) {
      link.send({ kind: 'failed', lines: (error as Error).message.split('\n') });
      await mesh?.stop();
      process.exit(1);
    }
  }

  async function stop(): Promise<void> {
    await mesh?.stop();
    process.exit(0);
  }
}
