// Time stamps of formats: strftime as Envoy understands it, with what does not change within a second kept.

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November',
  'December',
]; // biome-ignore format: a table.

/** A moment taken apart, either in UTC or in local time. */
type Parts = {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly weekday: number;
  readonly yearDay: number;
  readonly epochSeconds: number;
  readonly offsetMinutes: number;
  /** Name of the time zone; asked for by few formats, and dear. */
  readonly zone: () => string;
};

/** A piece that stays the same for a second, or one that shows the fraction with so many digits. */
type Piece = ((parts: Parts) => string) | FractionPiece;
type FractionPiece = { readonly digits: number; readonly trimmed: boolean };

/** Formats wall-clock times, ms since 1970. */
export class TimeFormat {
  readonly #pieces: readonly Piece[];
  readonly #isLocal: boolean;
  #second = Number.NaN;
  /** Texts of the pieces for that second; '' where the fraction stands. */
  #texts: string[] = [];

  constructor(format: string, isLocal: boolean) {
    this.#isLocal = isLocal;
    this.#pieces = parseTimeFormat(format);
  }

  format(wallMs: number): string {
    const second = Math.floor(wallMs / 1000);
    if (second !== this.#second) this.#fill(second);
    const pieces = this.#pieces;
    const texts = this.#texts;
    let text = '';
    for (let i = 0; i < pieces.length; i++) {
      const piece = pieces[i] as Piece;
      text += typeof piece === 'function' ? texts[i] : fraction(wallMs - second * 1000, piece);
    }
    return text;
  }

  #fill(second: number): void {
    const parts = takeApart(second, this.#isLocal);
    this.#texts = this.#pieces.map((piece) => (typeof piece === 'function' ? piece(parts) : ''));
    this.#second = second;
  }
}

/** ISO 8601 in UTC with milliseconds, the default of START_TIME; kept per second like the rest. */
export class IsoTimeFormat {
  #second = Number.NaN;
  #secondText = '';
  #ms = Number.NaN;
  #text = '';

  format(wallMs: number): string {
    const ms = Math.floor(wallMs);
    if (ms === this.#ms) return this.#text;
    this.#ms = ms;
    const second = Math.floor(ms / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#secondText = new Date(second * 1000).toISOString().slice(0, 20);
    }
    const rest = ms - second * 1000;
    this.#text = `${this.#secondText}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`;
    return this.#text;
  }
}

export const DEFAULT_LOCAL_TIME_FORMAT = '%Y-%m-%dT%H:%M:%E3S%z';

/** Whether a format would put a line break into a header. */
export function hasNewline(format: string): boolean {
  return /%[-_0^#]*[1-9]*(?:E|O)?n/.test(format);
}

function fraction(ms: number, piece: FractionPiece): string {
  // The clock has microseconds, and a double of ms since 1970 is good to a quarter of one; finer digits are zero.
  const micros = Math.floor(ms * 1000 + 0.25);
  let digits = `${String(micros).padStart(6, '0')}000000000`.slice(0, Math.min(piece.digits, 15));
  if (piece.trimmed) digits = digits.replace(/0+$/, '');
  return digits;
}

function takeApart(second: number, isLocal: boolean): Parts {
  const date = new Date(second * 1000);
  if (!isLocal) {
    const year = date.getUTCFullYear();
    return {
      year,
      month: date.getUTCMonth(),
      day: date.getUTCDate(),
      hour: date.getUTCHours(),
      minute: date.getUTCMinutes(),
      second: date.getUTCSeconds(),
      weekday: date.getUTCDay(),
      yearDay: Math.floor((Date.UTC(year, date.getUTCMonth(), date.getUTCDate()) - Date.UTC(year, 0, 1)) / 86_400_000),
      epochSeconds: second,
      offsetMinutes: 0,
      zone: () => 'UTC',
    };
  }
  const year = date.getFullYear();
  return {
    year,
    month: date.getMonth(),
    day: date.getDate(),
    hour: date.getHours(),
    minute: date.getMinutes(),
    second: date.getSeconds(),
    weekday: date.getDay(),
    yearDay: Math.floor((Date.UTC(year, date.getMonth(), date.getDate()) - Date.UTC(year, 0, 1)) / 86_400_000),
    epochSeconds: second,
    offsetMinutes: -date.getTimezoneOffset(),
    zone: () => zoneName(date),
  };
}

function zoneName(date: Date): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(date);
  return parts.find((part) => part.type === 'timeZoneName')?.value ?? 'UTC';
}

const two = (n: number): string => (n < 10 ? `0${n}` : String(n));
const spaced = (n: number): string => (n < 10 ? ` ${n}` : String(n));
const twelve = (hour: number): number => (hour % 12 === 0 ? 12 : hour % 12);
const clock = (p: Parts): string => `${two(p.hour)}:${two(p.minute)}:${two(p.second)}`;
const slashed = (p: Parts): string => `${two(p.month + 1)}/${two(p.day)}/${two(p.year % 100)}`;

/** ISO 8601 week and its year. */
function isoWeek(p: Parts): { week: number; year: number } {
  const weekday = (p.weekday + 6) % 7;
  const thursday = p.yearDay - weekday + 3;
  if (thursday < 0) {
    const year = p.year - 1;
    return { year, week: Math.floor((thursday + daysIn(year)) / 7) + 1 };
  }
  if (thursday >= daysIn(p.year)) return { year: p.year + 1, week: 1 };
  return { year: p.year, week: Math.floor(thursday / 7) + 1 };
}

function daysIn(year: number): number {
  return (Date.UTC(year + 1, 0, 1) - Date.UTC(year, 0, 1)) / 86_400_000;
}

function offset(p: Parts, colon: boolean): string {
  const minutes = Math.abs(p.offsetMinutes);
  const sign = p.offsetMinutes < 0 ? '-' : '+';
  return `${sign}${two(Math.floor(minutes / 60))}${colon ? ':' : ''}${two(minutes % 60)}`;
}

const SPECIFIERS: Readonly<Record<string, (p: Parts) => string>> = {
  a: (p) => (DAYS[p.weekday] as string).slice(0, 3),
  A: (p) => DAYS[p.weekday] as string,
  b: (p) => (MONTHS[p.month] as string).slice(0, 3),
  B: (p) => MONTHS[p.month] as string,
  c: (p) => `${DAYS[p.weekday]?.slice(0, 3)} ${MONTHS[p.month]?.slice(0, 3)} ${spaced(p.day)} ${clock(p)} ${p.year}`,
  C: (p) => two(Math.floor(p.year / 100)),
  d: (p) => two(p.day),
  D: slashed,
  e: (p) => spaced(p.day),
  F: (p) => `${p.year}-${two(p.month + 1)}-${two(p.day)}`,
  g: (p) => two(isoWeek(p).year % 100),
  G: (p) => String(isoWeek(p).year),
  h: (p) => (MONTHS[p.month] as string).slice(0, 3),
  H: (p) => two(p.hour),
  I: (p) => two(twelve(p.hour)),
  j: (p) => String(p.yearDay + 1).padStart(3, '0'),
  k: (p) => spaced(p.hour),
  l: (p) => spaced(twelve(p.hour)),
  m: (p) => two(p.month + 1),
  M: (p) => two(p.minute),
  p: (p) => (p.hour < 12 ? 'AM' : 'PM'),
  P: (p) => (p.hour < 12 ? 'am' : 'pm'),
  r: (p) => `${two(twelve(p.hour))}:${two(p.minute)}:${two(p.second)} ${p.hour < 12 ? 'AM' : 'PM'}`,
  R: (p) => `${two(p.hour)}:${two(p.minute)}`,
  s: (p) => String(p.epochSeconds),
  S: (p) => two(p.second),
  t: () => '\t',
  T: clock,
  u: (p) => String(p.weekday === 0 ? 7 : p.weekday),
  U: (p) => two(Math.floor((p.yearDay + 7 - p.weekday) / 7)),
  V: (p) => two(isoWeek(p).week),
  w: (p) => String(p.weekday),
  W: (p) => two(Math.floor((p.yearDay + 7 - ((p.weekday + 6) % 7)) / 7)),
  x: slashed,
  X: clock,
  y: (p) => two(p.year % 100),
  Y: (p) => String(p.year),
  z: (p) => offset(p, false),
  Z: (p) => p.zone(),
  '%': () => '%',
};

/** %f, %3f, %9f, %*f: the fraction; %E3S and %E*S: seconds with it; %Ez: offset with a colon; %E4Y: the year. */
function parseTimeFormat(format: string): Piece[] {
  const pieces: Piece[] = [];
  const pattern = /%(?:([1-9*])?f|([1-9])s|E([0-9]|\*)([Sf])|E(z|4Y|[A-Za-z])|O([A-Za-z])|([-_0^#]*)([A-Za-z%]))/g;
  let from = 0;
  for (let match = pattern.exec(format); match !== null; match = pattern.exec(format)) {
    if (match.index > from) pieces.push(literal(format.slice(from, match.index)));
    from = pattern.lastIndex;
    const [whole, fractionDigits, , extendedDigits, extendedKind, extended, alternative, , letter] = match;
    if (whole.endsWith('f') && extendedKind === undefined && letter === undefined) {
      pieces.push(
        fractionDigits === '*'
          ? { digits: 15, trimmed: true }
          : { digits: Number(fractionDigits ?? 9), trimmed: false },
      );
    } else if (match[2] !== undefined) {
      pieces.push(SPECIFIERS['s'] as (p: Parts) => string);
    } else if (extendedDigits !== undefined) {
      const trimmed = extendedDigits === '*';
      const digits = trimmed ? 15 : Number(extendedDigits);
      if (extendedKind === 'S') pieces.push((p) => `${two(p.second)}${digits > 0 ? '.' : ''}`);
      if (digits > 0) pieces.push({ digits, trimmed });
    } else if (extended === 'z') {
      pieces.push((p) => offset(p, true));
    } else if (extended === '4Y') {
      pieces.push((p) => String(p.year).padStart(4, '0'));
    } else {
      const specifier = SPECIFIERS[extended ?? alternative ?? letter ?? ''];
      pieces.push(specifier ?? literal(whole));
    }
  }
  if (from < format.length) pieces.push(literal(format.slice(from)));
  return pieces;
}

function literal(text: string): Piece {
  return () => text;
}
