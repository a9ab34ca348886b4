// Runtime values as people write them, in files and for /runtime_modify: YAML of one value.
import { FAILSAFE_SCHEMA, load, YAMLException } from 'js-yaml';
import { entryOf, parseNumber, type RuntimeEntry } from './runtime-values.ts';

/** Envoy's YAML knows what YAML 1.1 takes for switches. */
const TRUE = /^(y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON)$/;
const FALSE = /^(n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/;
const OCTAL = /^[-+]?0[0-7]+$/;
const PLAIN = /^[\w.+][\w.+-]*$/;
const BLANK = /^(\s*(#.*)?(\n|$))*$/;
const INT32_END = 2 ** 31;

/** The value, or why it is none: then it is refused as a whole. */
export function parseRuntimeText(text: string): RuntimeEntry | { readonly error: string } {
  if (PLAIN.test(text)) return scalarEntry(text, text);
  if (BLANK.test(text)) return { text };
  let value: unknown;
  try {
    value = load(text, { schema: FAILSAFE_SCHEMA });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    return { error: `Unable to parse ${JSON.stringify(text.slice(0, 100))}: ${error.reason}` };
  }
  if (typeof value === 'string') return scalarEntry(value, text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { text };
  return entryOf(Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fieldOf(inner)])), text);
}

/** `written`: with quotes and comments. */
function scalarEntry(value: string, written: string): RuntimeEntry {
  if (/^\s*["']/.test(written)) return { text: written };
  if (TRUE.test(value)) return entryOf(true, written);
  if (FALSE.test(value)) return entryOf(false, written);
  const number = OCTAL.test(value) ? octal(value) : parseNumber(value);
  return number === null ? { text: written } : entryOf(number, written);
}

function octal(text: string): number {
  const size = Number.parseInt(text.replace(/^[-+]/, ''), 8);
  return text.startsWith('-') ? -size : size;
}

/** Of a structure: whole numbers of 32 bits are numbers there, everything else is text. */
function fieldOf(value: unknown): unknown {
  if (typeof value !== 'string' || !/^[-+]?\d+$/.test(value)) return value;
  const number = Number(value);
  return Math.abs(number) < INT32_END ? number : value;
}
