// Formats of the process log in spdlog's syntax, with Envoy's additions %_ and %j.

/** What a line is made of besides its message. */
export type LogLine = {
  readonly wallMs: number;
  readonly level: string;
  readonly component: string;
  readonly threadId: number;
};
export type LogFormat = (message: string, line: LogLine) => string;

type Piece = (message: string, line: LogLine, date: Date, place: Place | null) => string;
type Place = { readonly path: string; readonly line: string; readonly name: string };

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November',
  'December',
]; // biome-ignore format: a table.
const COLORS: Readonly<Record<string, string>> = {
  trace: '\x1b[37m',
  debug: '\x1b[36m',
  info: '\x1b[32m',
  warning: '\x1b[33m\x1b[1m',
  error: '\x1b[31m\x1b[1m',
  critical: '\x1b[1m\x1b[41m',
};

const pad = (n: number, width = 2): string => String(n).padStart(width, '0');
const hour12 = (date: Date): number => (date.getHours() % 12 === 0 ? 12 : date.getHours() % 12);
const half = (date: Date): string => (date.getHours() < 12 ? 'AM' : 'PM');
const minutes = (date: Date): string => `${pad(date.getHours())}:${pad(date.getMinutes())}`;
const time = (date: Date): string => `${minutes(date)}:${pad(date.getSeconds())}`;
const slashed = (date: Date): string =>
  `${pad(date.getMonth() + 1)}/${pad(date.getDate())}/${pad(date.getFullYear() % 100)}`;
const micros = (line: LogLine): number => Math.floor((line.wallMs * 1000) % 1e6);
const day = (date: Date): string => DAYS[date.getDay()] as string;
const month = (date: Date): string => MONTHS[date.getMonth()] as string;
const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

const FLAGS: Readonly<Record<string, Piece>> = {
  v: (message) => message,
  _: (message) => message.replaceAll('\n', '\\n'),
  j: (message) => JSON.stringify(message).slice(1, -1),
  '*': () => '',
  '+': (message) => message,
  l: (_, line) => line.level,
  L: (_, line) => (line.level[0] as string).toUpperCase(),
  n: (_, line) => line.component,
  t: (_, line) => String(line.threadId),
  P: () => String(process.pid),
  Y: (_, __, date) => String(date.getFullYear()),
  C: (_, __, date) => pad(date.getFullYear() % 100),
  m: (_, __, date) => pad(date.getMonth() + 1),
  d: (_, __, date) => pad(date.getDate()),
  H: (_, __, date) => pad(date.getHours()),
  I: (_, __, date) => pad(hour12(date)),
  M: (_, __, date) => pad(date.getMinutes()),
  S: (_, __, date) => pad(date.getSeconds()),
  e: (_, line) => pad(Math.floor(micros(line) / 1000), 3),
  f: (_, line) => pad(micros(line), 6),
  F: (_, line) => pad(micros(line) * 1000, 9),
  E: (_, line) => String(Math.floor(line.wallMs / 1000)),
  p: (_, __, date) => half(date),
  r: (_, __, date) => `${pad(hour12(date))}:${pad(date.getMinutes())}:${pad(date.getSeconds())} ${half(date)}`,
  R: (_, __, date) => minutes(date),
  T: (_, __, date) => time(date),
  X: (_, __, date) => time(date),
  D: (_, __, date) => slashed(date),
  x: (_, __, date) => slashed(date),
  a: (_, __, date) => day(date).slice(0, 3),
  A: (_, __, date) => day(date),
  b: (_, __, date) => month(date).slice(0, 3),
  h: (_, __, date) => month(date).slice(0, 3),
  B: (_, __, date) => month(date),
  c: (_, __, date) =>
    `${day(date).slice(0, 3)} ${month(date).slice(0, 3)} ${date.getDate()} ${time(date)} ${date.getFullYear()}`,
  z: (_, __, date) => {
    const offset = -date.getTimezoneOffset();
    const size = Math.abs(offset);
    return `${offset < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
  },
  '^': (_, line) => (process.stderr.isTTY ? (COLORS[line.level] ?? '') : ''),
  $: () => (process.stderr.isTTY ? '\x1b[0m' : ''),
  '%': () => '%',
  g: (_, __, ___, place) => place?.path ?? '',
  s: (_, __, ___, place) => baseName(place?.path ?? ''),
  '#': (_, __, ___, place) => place?.line ?? '',
  '!': (_, __, ___, place) => place?.name ?? '',
  '@': (_, __, ___, place) => (place === null ? '' : `${place.path}:${place.line}`),
};
/** Flags that need to know where in the source the call stands. */
const PLACE_FLAGS = 'gs#!@';

/** Compiles a format; what is no flag stays as it is written, as in spdlog. */
export function compileLogFormat(format: string): LogFormat {
  const pieces: Piece[] = [];
  let needsPlace = false;
  let elapsed: { lastMs: number } | null = null;
  const pattern = /%([-=]?)(\d{1,3})?(!)?([\s\S])/g;
  let from = 0;
  for (let match = pattern.exec(format); match !== null; match = pattern.exec(format)) {
    const [whole, align = '', width, cut, flag = ''] = match;
    if (match.index > from) pieces.push(literal(format.slice(from, match.index)));
    from = pattern.lastIndex;
    let piece = FLAGS[flag];
    const scale = ELAPSED[flag];
    if (scale !== undefined) {
      elapsed ??= { lastMs: 0 };
      piece = elapsedPiece(elapsed, scale);
    }
    // '%3!l' cuts; a '!' without a width is the flag of that name.
    if (cut !== undefined && width === undefined) {
      piece = FLAGS['!'];
      from -= flag.length;
      pattern.lastIndex = from;
      needsPlace = true;
    }
    if (piece === undefined) {
      pieces.push(literal(whole));
      continue;
    }
    if (PLACE_FLAGS.includes(flag)) needsPlace = true;
    pieces.push(width === undefined ? piece : padded(piece, align, Number(width), cut !== undefined));
  }
  if (from < format.length) pieces.push(literal(format.slice(from)));
  return (message, line) => {
    const date = new Date(line.wallMs);
    const place = needsPlace ? callPlace() : null;
    let text = '';
    for (const piece of pieces) text += piece(message, line, date, place);
    return text;
  };
}

/** Since the last line: %o ms, %i µs, %u ns, %O s. */
const ELAPSED: Readonly<Record<string, number>> = { o: 1, i: 1e3, u: 1e6, O: 1e-3 };

function elapsedPiece(elapsed: { lastMs: number }, scale: number): Piece {
  return (_, line) => {
    const since = elapsed.lastMs === 0 ? 0 : Math.max(0, line.wallMs - elapsed.lastMs);
    elapsed.lastMs = line.wallMs;
    return String(Math.floor(since * scale));
  };
}

function literal(text: string): Piece {
  return () => text;
}

/** '%8l' is right-aligned, '%-8l' left, '%=8l' centred. */
function padded(piece: Piece, align: string, width: number, isCut: boolean): Piece {
  return (message, line, date, place) => {
    const text = piece(message, line, date, place);
    if (isCut && text.length > width) return text.slice(0, width);
    if (align === '-') return text.padEnd(width);
    if (align === '=') return text.padStart(text.length + Math.floor((width - text.length) / 2)).padEnd(width);
    return text.padStart(width);
  };
}

/** The file, line and function of the code that logs: the first frame outside of the log itself. */
function callPlace(): Place | null {
  const { stack = '' } = new Error();
  for (const frame of stack.split('\n').slice(1)) {
    if (/telemetry\/log(?:-format)?\.ts/.test(frame)) continue;
    const match = /^\s*at (?:(.*?) \()?(?:file:\/\/)?(.*?):(\d+):\d+\)?$/.exec(frame);
    if (match !== null) return { name: match[1] ?? '', path: baseName(match[2] as string), line: match[3] as string };
  }
  return null;
}
