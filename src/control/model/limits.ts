// Bounds of settings that schemas let pass and Envoy refuses, with everything that came along.

export const MAX_RING = 8_388_608;
export const MAX_MAGLEV_TABLE = 5_000_011;
export const MAX_STREAMS = 2_147_483_647;

/** Tables of Maglev have a prime number of places. */
export function isPrime(number: number): boolean {
  if (!Number.isInteger(number) || number < 2) return false;
  for (let divisor = 2; divisor * divisor <= number; divisor++) {
    if (number % divisor === 0) return false;
  }
  return true;
}

export function isMaglevTable(size: number): boolean {
  return size <= MAX_MAGLEV_TABLE && isPrime(size);
}

export function percentWithin(percent: number): number {
  return Math.min(Math.max(percent, 0), 100);
}
