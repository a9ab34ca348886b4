// The one place that says which values may differ between two runs of the same proxy, and what stands for them.

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const HTTP_DATE =
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$/;

function isRecentDate(text: string): boolean {
  return HTTP_DATE.test(text) && Math.abs(Date.now() - Date.parse(text)) < 60_000;
}

type Rule = { readonly what: string; readonly why: string; readonly apply: (text: string) => string };

/** Rules for the value of one header, by lower-case header name. */
const HEADER_RULES: ReadonlyMap<string, Rule> = new Map([
  ['date', { what: 'date of this run', why: 'the clock', apply: (text) => (isRecentDate(text) ? '<date>' : text) }],
  [
    'x-request-id',
    {
      what: 'request id',
      why: 'random; its 15th digit carries the trace decision and is kept',
      apply: (text) => (UUID.test(text) ? `<uuid ${text[14]}>` : text),
    },
  ],
  [
    'x-envoy-upstream-service-time',
    { what: 'service time', why: 'the clock', apply: (text) => (/^\d+$/.test(text) ? '<ms>' : text) },
  ],
  [
    'x-envoy-expected-rq-timeout-ms',
    {
      what: 'time left of a request timeout',
      why: 'a retry has less time left, and on a busy machine it comes late; above a second it is rounded up to halves',
      apply: (text) => (Number(text) > 1000 ? String(Math.ceil(Number(text) / 500) * 500) : text),
    },
  ],
]);

/** Comes before everything else: digits of an id may be those of a port. */
const ID_RULE: Rule = {
  what: 'request id in a log line or body',
  why: 'random',
  apply: (text) =>
    text.replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<uuid $1>'),
};

/** Rules for any text: headers, bodies, log lines, names of statistics. */
const TEXT_RULES: readonly Rule[] = [
  {
    what: 'ephemeral port',
    why: 'the kernel chooses it',
    apply: (text) => text.replace(/\b127\.0\.0\.1([:_])[3-6]\d{4}\b/g, '127.0.0.1$1<ephemeral>'),
  },
  {
    what: 'time stamp',
    why: 'the clock',
    apply: (text) => text.replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>'),
  },
  {
    what: 'duration field of a log line',
    why: 'the clock; formats of the tables write durations as ms=…',
    apply: (text) => text.replace(/\bms=\d+/g, 'ms=<n>'),
  },
  {
    what: 'durations of the default log format',
    why: 'the clock; the second one is - when no upstream answered',
    apply: (text) => text.replace(/^(\[<time>\] ".*" \d+ \S+ \d+ \d+) \d+ (?:\d+|(-)) "/gm, '$1 <n> $2<n> "'),
  },
  {
    what: 'connection number',
    why: 'counts connections of the whole process, admin included; formats of the tables write conn=…',
    apply: (text) => text.replace(/\bconn=\d+/g, 'conn=<n>'),
  },
];

const LONGEST_BODY = 4000;

/** Normalises values of one side, whose allocated ports are given by name. */
export class Normaliser {
  readonly #ports: readonly (readonly [RegExp, string])[];
  readonly #directory: string;

  constructor(ports: ReadonlyMap<string, string | number>, directory: string) {
    this.#ports = [...ports]
      .filter((entry): entry is [string, number] => typeof entry[1] === 'number')
      .map(([name, port]) => [new RegExp(`(?<!\\d)${port}(?!\\d)`, 'g'), `<${name}>`]);
    this.#directory = directory;
  }

  text(text: string): string {
    let result = ID_RULE.apply(text.replaceAll(this.#directory, '<dir>'));
    for (const [pattern, name] of this.#ports) {
      result = result.replace(pattern, (_, offset: number, all: string) =>
        all.slice(0, offset).endsWith('_value": ') ? `"${name}"` : name,
      );
    }
    for (const rule of TEXT_RULES) result = rule.apply(result);
    return result;
  }

  header(name: string, value: string): string {
    const rule = HEADER_RULES.get(name.toLowerCase());
    const result = rule === undefined ? value : rule.apply(value);
    return result === value ? this.text(value) : result;
  }

  body(body: string): string {
    if (body.length <= LONGEST_BODY) return this.text(body);
    let sum = 0;
    for (let i = 0; i < body.length; i++) sum = (Math.imul(sum, 31) + body.charCodeAt(i)) | 0;
    return `${body.slice(0, 40)}… <${body.length} bytes, sum ${sum}>`;
  }
}
