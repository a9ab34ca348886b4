// Session ticket keys of our own: the same in all workers for contexts of the same trust, and for no others.
import { hkdfSync, randomBytes } from 'node:crypto';
import type { SharedCells, SharedPair } from '../../base/shared-cells.ts';

/** Bytes of one key: name, HMAC, AES. */
const KEY_BYTES = 48;
const SECRET_WORDS = 4;

/** Cells of one thread go when nobody holds them, and what is drawn anew opens no older ticket. */
const held = new WeakMap<SharedCells, SharedPair[]>();

/** The process's secret lies in shared memory: the first worker that asks draws it, and all others find it. */
function processSecret(shared: SharedCells): Buffer {
  const words: SharedPair[] = held.get(shared) ?? [];
  held.set(shared, words);
  for (let i = words.length; i < SECRET_WORDS; i++) words.push(shared.pair(`tls.ticket_secret.${i}`));
  const secret = Buffer.alloc(SECRET_WORDS * 8);
  for (const [i, word] of words.entries()) {
    // Zero stands for nobody having drawn it yet.
    if (word.load() === 0n) word.replace(0n, randomBytes(8).readBigUInt64LE() | 1n);
    secret.writeBigInt64LE(BigInt.asIntN(64, word.load()), i * 8);
  }
  return secret;
}

/**
 * Keys belong to what decides trust (`trustDigest`): a ticket that a chain with other CAs gave out cannot be opened.
 * They outlive updates that leave the trust as it is.
 */
export function ownTicketKey(shared: SharedCells, trustDigest: string): Buffer {
  return Buffer.from(hkdfSync('sha256', processSecret(shared), '', `heddle tickets ${trustDigest}`, KEY_BYTES));
}
