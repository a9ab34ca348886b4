// Memory that frames are written into: a few blocks which all connections use again and again.

/** Allocating memory outside the heap again and again keeps the collector busy, more than all frames together. */
const BLOCK_BYTES = 32 * 1024;
/** Blocks that wait to be used again: 256 KiB. */
const MAX_FREE = 8;
/** What is left of a block is used by the next connection if it is not smaller. */
const MIN_REST_BYTES = 1024;
/** Lenders that are asked each time whether their bytes have left. */
const ASKED_AT_ONCE = 2;

export type Block = {
  readonly memory: Buffer;
  /** Bytes from its start that somebody has written. */
  used: number;
  /** Who writes into it, or wrote bytes that may not have left yet. */
  holders: number;
};

/** Somebody whose bytes in blocks may still be on their way. */
export type Lender = {
  /** Whether all of them have left; then it lets go of its blocks. */
  settle(): boolean;
};

const free: Block[] = [];
let spare: Block | null = null;
const lenders: Lender[] = [];
let asked = 0;

/** A block with room for `bytes`; the caller is one of its holders now, and writes from `used` on. */
export function takeBlock(bytes: number): Block {
  let block = spare;
  if (block !== null && block.memory.length - block.used >= bytes) spare = null;
  else if (bytes > BLOCK_BYTES) block = newBlock(bytes);
  else block = free.pop() ?? newBlock(BLOCK_BYTES);
  block.holders++;
  return block;
}

/** The caller writes no more into it (it may still hold it): others may have the rest. */
export function leaveBlock(block: Block): void {
  if (spare !== null || block.memory.length !== BLOCK_BYTES || BLOCK_BYTES - block.used < MIN_REST_BYTES) return;
  spare = block;
}

/** The caller's bytes in it have left. */
export function dropBlock(block: Block): void {
  if (--block.holders > 0) return;
  block.used = 0;
  if (block !== spare && block.memory.length === BLOCK_BYTES && free.length < MAX_FREE) free.push(block);
}

/** Notes somebody who has lent bytes (null: nobody new) and asks some of those who did so before. */
export function noteLender(lender: Lender | null): void {
  for (let i = 0; i < ASKED_AT_ONCE && lenders.length > 0; i++) {
    if (asked >= lenders.length) asked = 0;
    if (!(lenders[asked] as Lender).settle()) {
      asked++;
      continue;
    }
    const last = lenders.pop() as Lender;
    if (asked < lenders.length) lenders[asked] = last;
  }
  if (lender !== null) lenders.push(lender);
}

function newBlock(bytes: number): Block {
  return { memory: Buffer.allocUnsafeSlow(bytes), used: 0, holders: 0 };
}
