// The name under which some filters import text formats; formatter.ts is the place.
export type { Formatter as Format } from './formatter.ts';
export { compileFormat } from './formatter.ts';
