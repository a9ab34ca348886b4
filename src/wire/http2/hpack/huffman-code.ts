// The Huffman code of HPACK (RFC 7541, appendix B): tables for writing it, and for reading it four bits at a time.

/** Length of each symbol's code as a base-36 digit: bytes 0–255, then EOS. The code is canonical, so they define it. */
const LENGTHS =
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca' +
  'd67777777777777777777777878djde6f56565666577666567655677777fbeds' +
  'kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn' +
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu';

const EOS = 256;
const SHORTEST = 5;
const LONGEST = 30;

/** Codes and their lengths in bits, by byte. */
export const HUFFMAN_CODES = new Uint32Array(EOS + 1);
export const HUFFMAN_BITS = Uint8Array.from(LENGTHS, (digit) => Number.parseInt(digit, 36));

/**
 * What four bits do in a state (a node of the code's tree): `READ[state << 4 | bits]` has the next state in bits 8–15,
 * and with EMITS a symbol in bits 0–7. No code is shorter than five bits, so there is at most one.
 */
export const HUFFMAN_READ = new Uint32Array((EOS + 1) << 4);
export const EMITS = 1 << 16;
/** The bits lead to EOS, which no string may hold. */
export const FAILS = 1 << 17;
/** 1 for states in which a string may end: fewer than eight bits of ones since the last symbol. */
export const HUFFMAN_MAY_END = new Uint8Array(EOS + 1);

/** Children of the tree's inner nodes, two for each: a node, or a symbol as -1 - symbol. */
const children = new Int16Array((EOS + 1) * 2);
let nodes = 1;

function addSymbol(symbol: number, code: number, bits: number): void {
  let node = 0;
  for (let bit = bits - 1; bit > 0; bit--) {
    const slot = node * 2 + ((code >>> bit) & 1);
    if (children[slot] === 0) children[slot] = nodes++;
    node = children[slot] as number;
  }
  children[node * 2 + (code & 1)] = -1 - symbol;
}

function readFrom(node: number, bits: number): number {
  let at = node;
  let entry = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[at * 2 + ((bits >>> bit) & 1)] as number;
    if (child >= 0) at = child;
    else if (child === -1 - EOS) return FAILS;
    else {
      entry = EMITS | (-1 - child);
      at = 0;
    }
  }
  return entry | (at << 8);
}

let nextCode = 0;
for (let bits = SHORTEST; bits <= LONGEST; bits++) {
  for (let symbol = 0; symbol <= EOS; symbol++) {
    if (HUFFMAN_BITS[symbol] !== bits) continue;
    HUFFMAN_CODES[symbol] = nextCode;
    addSymbol(symbol, nextCode++, bits);
  }
  nextCode *= 2;
}
for (let node = 0; node < nodes; node++) {
  for (let bits = 0; bits < 16; bits++) HUFFMAN_READ[(node << 4) | bits] = readFrom(node, bits);
}
for (let node = 0, ones = 0; ones < 8; ones++) {
  HUFFMAN_MAY_END[node] = 1;
  node = children[node * 2 + 1] as number;
}
