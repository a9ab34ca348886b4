// Text of scripts as it stands in the log.

const MAX_LOG_CHARS = 4096;

/** Lines of the log are lines: what a request brought makes no new ones. */
export function printable(text: string): string {
  const shown = text.length > MAX_LOG_CHARS ? `${text.slice(0, MAX_LOG_CHARS)}…` : text;
  return shown.replace(/[\0-\x08\n-\x1f\x7f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
