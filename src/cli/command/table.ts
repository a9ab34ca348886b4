// Tables as Go's tabwriter makes them: columns as wide as their widest cell, with some blanks between.

/** The last column is not filled up. */
export function table(rows: readonly (readonly string[])[], gap: number): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, [...cell].length);
  }
  const lines = rows.map((row) => row.map((cell, at) => pad(cell, (widths[at] ?? 0) + gap)).join(''));
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

function pad(cell: string, width: number): string {
  return cell + ' '.repeat(Math.max(0, width - [...cell].length));
}
