// Labels and annotations as Kubernetes writes them into files of a pod: NAME="VALUE" with Go's escapes, one a line.

export function readDownwardApi(
  text: string,
): { readonly values: Readonly<Record<string, string>> } | { readonly error: string } {
  const values: Record<string, string> = {};
  for (const [index, line] of text.split('\n').entries()) {
    const at = line.indexOf('=');
    if (at < 0) continue;
    const value = unquoted(line.slice(at + 1));
    if (value === null) return { error: `line ${index + 1}: the value is not quoted` };
    values[line.slice(0, at)] = value;
  }
  return { values };
}

/** Of strconv.Quote, which JSON reads but for \a, \v, \x.. and \U........ */
function unquoted(text: string): string | null {
  const asJson = text
    .replaceAll(/\\x([0-9a-f]{2})/g, '\\u00$1')
    .replaceAll('\\a', '\\u0007')
    .replaceAll('\\v', '\\u000b');
  try {
    const value: unknown = JSON.parse(asJson);
    return typeof value === 'string' ? value : null;
  } catch {
    return null;
  }
}
