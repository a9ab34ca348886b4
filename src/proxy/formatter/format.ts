// The name under which some filters import text formats; text-formatter.ts is the place.
export type { Formatter as Format } from './text-formatter.ts';
export { compileFormat } from './text-formatter.ts';
