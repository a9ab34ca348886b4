// Durations as Istio's objects write them: Go's notation, '1h30m', '0.5s', '100ms'.

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 0.001, µs: 0.001 };

/** Milliseconds; null for what is no duration. */
export function durationMs(text: string): number | null {
  if (text === '0') return 0;
  const sign = text.startsWith('-') ? -1 : 1;
  const parts = [...text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(h|ms|m|us|µs|ns|s)/g)];
  const length = parts.reduce((sum, part) => sum + part[0].length, 0);
  if (parts.length === 0 || length !== text.length - (/^[+-]/.test(text) ? 1 : 0)) return null;
  return sign * parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit!] ?? 1e-6), 0);
}

/** The protobuf form. */
export function protoDuration(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.trunc(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}
