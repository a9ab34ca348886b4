// Figures as people read them.

export function rate(perSecond: number): string {
  if (perSecond === 0) return '0/s';
  if (perSecond < 0.1) return '<0.1/s';
  return `${perSecond < 10 ? perSecond.toFixed(1) : grouped(Math.round(perSecond))}/s`;
}

/** '99.98 %': never rounded to 100 or 0 when it is not. */
export function share(value: number | null): string {
  if (value === null) return '–';
  const percent = value * 100;
  if (percent === 0 || percent === 100) return `${percent} %`;
  if (percent < 0.01) return '<0.01 %';
  if (percent > 99.99) return '>99.99 %';
  const digits = percent < 1 || percent > 99 ? 2 : percent < 10 || percent > 90 ? 1 : 0;
  return `${percent.toFixed(digits)} %`;
}

export function success(errorShare: number | null): string {
  return errorShare === null ? '–' : share(1 - errorShare);
}

export function duration(ms: number | null): string {
  if (ms === null) return '–';
  if (ms < 1) return '<1 ms';
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1000)} s`;
}

export function bytesRate(perSecond: number): string {
  if (perSecond < 1000) return `${perSecond} B/s`;
  return perSecond < 1e6 ? `${(perSecond / 1000).toFixed(1)} kB/s` : `${(perSecond / 1e6).toFixed(1)} MB/s`;
}

export function cores(value: number | null): string {
  return value === null ? '–' : `${(value * 100).toFixed(value < 0.1 ? 1 : 0)} %`;
}

export function megabytes(value: number): string {
  return value === 0 ? '–' : `${Math.round(value)} MB`;
}

const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const DAY = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

export const clockTime = (ms: number): string => CLOCK.format(ms);
export const dayTime = (ms: number): string => DAY.format(ms);

export function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 2) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min ago` : `${Math.floor(seconds / 3600)} h ago`;
}

function grouped(value: number): string {
  return value.toLocaleString('en-US').replaceAll(',', '\u202f');
}

/** The end of a path: 'mesh/reviews.yaml:12'. */
export function shortPlace(file: string, line: number): string {
  return `${file.split('/').slice(-2).join('/')}${line > 0 ? `:${line}` : ''}`;
}

/** One word of a shell, whatever is in it: names come from elsewhere. */
export function shellWord(text: string): string {
  if (/^[\w./:@%+=-]+$/.test(text) && !text.startsWith('-')) return text;
  return `'${text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '').replaceAll("'", "'\\''")}'`;
}

/** How bad a share of errors is. */
export function severityOf(errorShare: number | null): 'none' | 'good' | 'odd' | 'bad' {
  if (errorShare === null) return 'none';
  if (errorShare < 0.001) return 'good';
  return errorShare < 0.05 ? 'odd' : 'bad';
}
