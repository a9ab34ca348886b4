// Runs one attack on a proxy from a process of its own, on several connections. Arguments: port, name,
// connections, path of a small and of a large answer. Prints how the connections ended as JSON.
import { runAttack } from '../../test/support/http2-attacker.ts';
import { attacks } from '../../test/support/http2-attacks.ts';

const MOST_AT_ONCE = 10;
/** Who is not cut off by then leaves. */
const LINGER_MS = 20;

const [port = '0', name = '', connections = '1', small = '/', large = '/'] = process.argv.slice(2);
const attack = attacks({ small, large }).find((one) => one.name === name);
if (attack === undefined) throw new Error(`no attack ${name}`);

/** Made once: the attacker's own price is not measured. */
const pieces = [...attack.script()];
const prepared = { ...attack, script: () => pieces };

const fates: Record<string, number> = {};
let sentBytes = 0;
process.stdout.write('started\n');
let left = Number(connections);
async function attackInTurn(): Promise<void> {
  while (left-- > 0) {
    const outcome = await runAttack(Number(port), prepared, LINGER_MS);
    fates[outcome.fate] = (fates[outcome.fate] ?? 0) + 1;
    sentBytes += outcome.sentBytes;
  }
}
await Promise.all(Array.from({ length: Math.min(MOST_AT_ONCE, Number(connections) / 2) }, attackInTurn));
process.stdout.write(`${JSON.stringify({ fates, sentBytes })}\n`);
