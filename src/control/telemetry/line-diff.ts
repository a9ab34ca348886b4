// What differs between two texts, line by line, as `diff -u` prints it.

/** A text of so many lines before and after, multiplied, is compared; a larger one is shown as replaced. */
const MAX_CELLS = 1_000_000;
const CONTEXT = 3;
const MAX_LINES = 400;

type Line = { readonly mark: ' ' | '-' | '+'; readonly text: string };

/** '' when they are the same. */
export function unifiedDiff(before: string, after: string): string {
  if (before === after) return '';
  const lines = compared(linesOf(before), linesOf(after));
  const out: string[] = [];
  let [oldLine, newLine] = [1, 1];
  for (let at = 0; at < lines.length; ) {
    const first = lines.findIndex(({ mark }, index) => index >= at && mark !== ' ');
    if (first < 0) break;
    const from = Math.max(at, first - CONTEXT);
    const until = endOfHunk(lines, first);
    oldLine += from - at;
    newLine += from - at;
    const hunk = lines.slice(from, until);
    const [olds, news] = [
      hunk.filter(({ mark }) => mark !== '+').length,
      hunk.filter(({ mark }) => mark !== '-').length,
    ];
    out.push(`@@ -${place(oldLine, olds)} +${place(newLine, news)} @@`, ...hunk.map(({ mark, text }) => mark + text));
    oldLine += olds;
    newLine += news;
    at = until;
  }
  if (out.length <= MAX_LINES) return `${out.join('\n')}\n`;
  return `${[...out.slice(0, MAX_LINES), ` … ${out.length - MAX_LINES} more lines`].join('\n')}\n`;
}

/** Where changes and the context between them end. */
function endOfHunk(lines: readonly Line[], first: number): number {
  let last = first;
  for (let at = first; at < lines.length && at - last <= 2 * CONTEXT; at++) if (lines[at]!.mark !== ' ') last = at;
  return Math.min(lines.length, last + 1 + CONTEXT);
}

/** A place without lines is told as the line before it, as GNU diff does. */
const place = (line: number, count: number): string => `${count === 0 ? line - 1 : line},${count}`;

function linesOf(text: string): string[] {
  if (text === '') return [];
  return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
}

function compared(before: readonly string[], after: readonly string[]): Line[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  const most = Math.min(before.length, after.length) - start;
  while (end < most && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  const same = (texts: readonly string[]): Line[] => texts.map((text) => ({ mark: ' ', text }));
  return [
    ...same(before.slice(0, start)),
    ...changed(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...same(before.slice(before.length - end)),
  ];
}

/** By the longest common subsequence: lengths of those of all tails, then a walk from the beginning. */
function changed(before: readonly string[], after: readonly string[]): Line[] {
  const width = after.length + 1;
  if (before.length * after.length > MAX_CELLS || before.length === 0 || after.length === 0) {
    return [...before.map((text): Line => ({ mark: '-', text })), ...after.map((text): Line => ({ mark: '+', text }))];
  }
  const longest = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      longest[i * width + j] =
        before[i] === after[j]
          ? longest[(i + 1) * width + j + 1]! + 1
          : Math.max(longest[(i + 1) * width + j]!, longest[i * width + j + 1]!);
    }
  }
  const lines: Line[] = [];
  for (let i = 0, j = 0; i < before.length || j < after.length; ) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      lines.push({ mark: ' ', text: before[i++]! });
      j++;
    } else if (
      j >= after.length ||
      (i < before.length && longest[(i + 1) * width + j]! >= longest[i * width + j + 1]!)
    ) {
      lines.push({ mark: '-', text: before[i++]! });
    } else lines.push({ mark: '+', text: after[j++]! });
  }
  return lines;
}
