// What a runtime value means: as a number, a switch and a fraction at once. Source: Envoy SnapshotImpl::createEntry.

export type RuntimeEntry = {
  /** As /runtime shows it. */
  readonly text: string;
  /** Where a whole number that is not negative is asked for. */
  readonly integer?: number;
  readonly number?: number;
  readonly flag?: boolean;
  readonly fraction?: { readonly numerator: number; readonly denominator: 100 | 10_000 | 1_000_000 };
};

export type RuntimeEntries = ReadonlyMap<string, RuntimeEntry>;

/** A google.protobuf.Struct with dotted keys for what is nested; a text says why it is none. */
export function flattenLayer(values: Readonly<Record<string, unknown>>): Map<string, RuntimeEntry> | string {
  const entries = new Map<string, RuntimeEntry>();
  const problem = flatten(values, '', entries);
  return problem ?? entries;
}

function flatten(
  values: Readonly<Record<string, unknown>>,
  prefix: string,
  into: Map<string, RuntimeEntry>,
): string | null {
  for (const [name, value] of Object.entries(values)) {
    const key = prefix + name;
    if (value === null || Array.isArray(value)) return `Invalid runtime entry value for ${key}`;
    if (typeof value === 'object' && !isWhole(value)) {
      const problem = flatten(value as Record<string, unknown>, `${key}.`, into);
      if (problem !== null) return problem;
    } else into.set(key, entryOf(value));
  }
  return null;
}

/** One that is no further layer of keys: a fraction, or what was meant as one. */
function isWhole(value: object): boolean {
  return 'numerator' in value || 'denominator' in value || Object.keys(value).length === 0;
}

/** `text`: how it was written; by default as protobuf prints it. */
export function entryOf(value: unknown, text?: string): RuntimeEntry {
  switch (typeof value) {
    case 'number':
      return { text: text ?? numberText(value), ...numberEntry(value) };
    case 'boolean':
      return { text: text ?? String(value), flag: value };
    case 'string': {
      const raw = text ?? value;
      const number = parseNumber(raw);
      return { text: raw, ...(number === null ? {} : numberEntry(number)) };
    }
    default: {
      const fields = value as Readonly<Record<string, unknown>>;
      const shown = text ?? `${MARK}\n${debugText(fields, '')}`;
      const fraction = fractionOf(fields);
      return fraction === null ? { text: shown } : { text: shown, fraction };
    }
  }
}

const INT32_MAX = 2 ** 31 - 1;
const UINT64_END = 2 ** 64;

function numberEntry(value: number): Pick<RuntimeEntry, 'integer' | 'number' | 'flag'> {
  return {
    number: value,
    ...(value >= 0 && value < UINT64_END ? { integer: Math.trunc(value) } : {}),
    ...(Number.isInteger(value) && Math.abs(value) <= INT32_MAX ? { flag: value !== 0 } : {}),
  };
}

const DENOMINATORS = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 } as const;
const UINT32_END = 2 ** 32;

function fractionOf(fields: Readonly<Record<string, unknown>>): NonNullable<RuntimeEntry['fraction']> | null {
  for (const name of Object.keys(fields)) if (name !== 'numerator' && name !== 'denominator') return null;
  const { numerator, denominator: named = 'HUNDRED' } = fields;
  const denominator = DENOMINATORS[named as keyof typeof DENOMINATORS];
  if (typeof named !== 'string' || denominator === undefined) return null;
  // What is no number counts as zero, and a negative one as what its bits say without a sign.
  const whole = typeof numerator === 'number' ? Math.trunc(numerator) : 0;
  return { numerator: whole < 0 ? whole + UINT32_END : whole, denominator };
}

/** As absl::SimpleAtod reads it; null for what is no number. */
export function parseNumber(text: string): number | null {
  const trimmed = text.trim();
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(trimmed)) return Number(trimmed);
  if (/^[-+]?0x[0-9a-f]+$/i.test(trimmed)) {
    const isNegative = trimmed.startsWith('-');
    const size = Number(trimmed.replace(/^[-+]/, ''));
    return isNegative ? -size : size;
  }
  return null;
}

/** As printf's %g: six digits. */
function numberText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  const text = value.toPrecision(6);
  const [mantissa = '', exponent] = text.split('e');
  const short = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
  if (exponent === undefined) return short;
  const sign = exponent.startsWith('-') ? '-' : '+';
  return `${short}e${sign}${exponent.replace(/^[-+]/, '').padStart(2, '0')}`;
}

/** Envoy prints structures in protobuf's debug form, whose first words differ from process to process. */
const MARK = 'goo.gle/debugstr ';

function debugText(fields: Readonly<Record<string, unknown>>, pad: string): string {
  let text = '';
  for (const key of Object.keys(fields).sort()) {
    const value = debugValue(fields[key], `${pad}    `);
    text += `${pad}fields {\n${pad}  key: ${JSON.stringify(key)}\n${pad}  value {\n${value}${pad}  }\n${pad}}\n`;
  }
  return text;
}

function debugValue(value: unknown, pad: string): string {
  if (value === null) return `${pad}null_value: NULL_VALUE\n`;
  if (typeof value === 'number') return `${pad}number_value: ${value}\n`;
  if (typeof value === 'boolean') return `${pad}bool_value: ${value}\n`;
  if (typeof value === 'string') return `${pad}string_value: ${JSON.stringify(value)}\n`;
  if (!Array.isArray(value)) {
    return `${pad}struct_value {\n${debugText(value as Record<string, unknown>, `${pad}  `)}${pad}}\n`;
  }
  const values = value.map((one) => `${pad}  values {\n${debugValue(one, `${pad}    `)}${pad}  }\n`);
  return `${pad}list_value {\n${values.join('')}${pad}}\n`;
}
