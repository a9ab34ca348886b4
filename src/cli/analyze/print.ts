// Messages of the analysis as istioctl prints them: lines, JSON, YAML; and the list of analyzers.
import { dump } from 'js-yaml';
import type { Analyzer } from '../../control/analyze/analyzer.ts';
import type { Level } from '../../control/analyze/codes.ts';
import { documentationOf, type Message, originOf, referenceOf } from '../../control/analyze/message.ts';

export type Format = 'log' | 'json' | 'yaml';

const COLORS: Readonly<Record<Level, string>> = { Error: '\x1b[1;31m', Warning: '\x1b[33m', Info: '' };
const PLAIN = '\x1b[0m';

/** 'Error [IST0101] (VirtualService prod/reviews reviews.yaml:12:15) Referenced host not found: "nowhere"'. */
export function messageLine(message: Message, isColored: boolean): string {
  const { level, code, text } = message;
  const shown = isColored ? `${COLORS[level]}${level}${PLAIN}` : level;
  const place = referenceOf(message);
  return `${shown} [${code}] (${originOf(message)}${place === '' ? '' : ` ${place}`}) ${oneLine(text)}`;
}

/** What a file says must not move the cursor. */
function oneLine(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (character) => JSON.stringify(character).slice(1, -1));
}

export function printMessages(messages: readonly Message[], format: Format, isColored: boolean): string {
  if (format === 'log') return messages.map((message) => `${messageLine(message, isColored)}\n`).join('');
  const plain = messages.map((message) => {
    const place = referenceOf(message);
    return {
      code: message.code,
      documentationUrl: documentationOf(message),
      level: message.level,
      message: message.text,
      origin: originOf(message),
      ...(place === '' ? {} : { reference: place }),
    };
  });
  return format === 'json' ? `${JSON.stringify(plain, null, '\t')}\n` : dump(plain, { lineWidth: -1, noRefs: true });
}

export function printAnalyzers(analyzers: readonly Analyzer[]): string {
  const sorted = [...analyzers].sort((a, b) => (a.name < b.name ? -1 : 1));
  return sorted.map(({ name, description, codes }) => `* ${name}:\n${description} (${codes.join(', ')})\n`).join('');
}
