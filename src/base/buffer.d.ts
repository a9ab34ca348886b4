// Methods of Node's Buffer that its type declarations leave out; stable since Node 0.x and used by Node itself.
declare global {
  interface Buffer {
    latin1Slice(start?: number, end?: number): string;
    utf8Slice(start?: number, end?: number): string;
    utf8Write(text: string, offset?: number, length?: number): number;
    latin1Write(text: string, offset?: number, length?: number): number;
  }
}
export {};
