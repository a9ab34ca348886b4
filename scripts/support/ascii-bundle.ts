// Escapes what is not ASCII in a bundle: one such character makes V8 keep the whole source in two bytes per character.

const VLQ_DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/**
 * Returns the code with `\uXXXX` in place of every other character, and the mappings of its source map moved with it.
 * The code is minified: such characters are left in strings, templates and regular expressions only.
 */
export function escapeBundle(code: string, mappings: string): { code: string; mappings: string } {
  const mappingLines = mappings.split(';');
  const lines = code.split('\n').map((line, number) => {
    const outside = [...line.matchAll(/[^\x00-\x7f]/g)];
    if (outside.length === 0) return line;
    mappingLines[number] = shiftMappings(
      mappingLines[number] ?? '',
      outside.map((match) => match.index),
    );
    return line.replace(/[^\x00-\x7f]/g, escapeUnit);
  });
  return { code: lines.join('\n'), mappings: mappingLines.join(';') };
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Adds five columns to what follows each of the given columns: an escape is six characters long instead of one. */
function shiftMappings(line: string, columns: readonly number[]): string {
  let column = 0;
  let passed = 0;
  return line
    .split(',')
    .map((segment) => {
      const { value, length } = decodeVlq(segment);
      column += value;
      const before = passed;
      while (passed < columns.length && columns[passed]! < column) passed += 1;
      return passed === before ? segment : encodeVlq(value + 5 * (passed - before)) + segment.slice(length);
    })
    .join(',');
}

export function decodeVlq(text: string): { value: number; length: number } {
  let bits = 0;
  for (let length = 0; length < text.length; length++) {
    const digit = VLQ_DIGITS.indexOf(text[length]!);
    bits += (digit & 31) * 32 ** length;
    if ((digit & 32) === 0) return { value: bits % 2 === 1 ? -(bits - 1) / 2 : bits / 2, length: length + 1 };
  }
  return { value: 0, length: 0 };
}

export function encodeVlq(value: number): string {
  let bits = value < 0 ? -value * 2 + 1 : value * 2;
  let text = '';
  do {
    const rest = Math.floor(bits / 32);
    text += VLQ_DIGITS[(bits % 32) + (rest > 0 ? 32 : 0)];
    bits = rest;
  } while (bits > 0);
  return text;
}
