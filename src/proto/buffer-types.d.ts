// Buffer's slicing methods without argument checks: they exist on Node and Bun but not in the public declarations.
declare global {
  interface Buffer {
    latin1Slice(start?: number, end?: number): string;
    utf8Slice(start?: number, end?: number): string;
  }
}
export {};
