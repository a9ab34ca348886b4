// Loaded into a proxy (--import): how much CPU time the longest turn of its event loop took since it was last asked.
import { writeFileSync } from 'node:fs';

const path = process.env['HEDDLE_TEST_TURNS'] ?? '';
let longestMs = 0;
let last = cpuMs();

function cpuMs(): number {
  // Of this thread alone: what the machine gives to others does not count.
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function turn(): void {
  const now = cpuMs();
  longestMs = Math.max(longestMs, now - last);
  last = now;
}

// Often enough that each turn with work in it is seen apart; it keeps nothing alive.
const tick = (): void => {
  turn();
  setImmediate(tick).unref();
};
setInterval(tick, 1000).unref();
tick();

process.on('SIGUSR2', () => {
  turn();
  writeFileSync(path, String(longestMs));
  longestMs = 0;
});
