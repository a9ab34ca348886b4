// The language as the API server has it: its libraries, optional values, and fields of objects for names.
import type { Dialect, Functions, Overload } from '../../../base/cel/dialect.ts';
import { languageFunctions } from '../../../base/cel/functions.ts';
import { guardedFunctions } from '../../../base/cel/guarded.ts';
import { OPTIONAL_FUNCTIONS } from '../../../base/cel/optionals.ts';
import { RESERVED } from '../../../base/cel/syntax.ts';
import { UNICODE_TEXT } from '../../../base/cel/text-forms.ts';
import { textFunctions } from '../../../base/cel/texts.ts';
import { areEqual, noOverload, type Value } from '../../../base/cel/values.ts';
import { KUBERNETES_FUNCTIONS } from './kubernetes.ts';

/** Steps that one evaluation may take: the API server refuses what costs more. */
export const MAX_STEPS = 1_000_000;

const TEXTS = textFunctions(UNICODE_TEXT);

/** Places are asked for in lists, too. */
function placeIn(name: 'indexOf' | 'lastIndexOf'): Overload {
  const [min, max, ofText] = TEXTS[`.${name}`] as Overload;
  return [
    min,
    max,
    (of = null, item = null, ...more) => {
      if (!Array.isArray(of)) return ofText(of, item, ...more);
      if (more.length > 0) return noOverload(name, of, item, ...more);
      const isIt = (one: Value): boolean => areEqual(one, item);
      const list = of as readonly Value[];
      return name === 'indexOf' ? list.findIndex(isIt) : list.findLastIndex(isIt);
    },
  ];
}

const FUNCTIONS: Functions = {
  ...languageFunctions(UNICODE_TEXT, {
    hasLooseNumbers: true,
    joinsText: true,
    joinsLists: true,
    hasStringConversion: true,
    hasWholeMilliseconds: true,
  }),
  ...TEXTS,
  '.indexOf': placeIn('indexOf'),
  '.lastIndexOf': placeIn('lastIndexOf'),
  ...OPTIONAL_FUNCTIONS,
  ...guardedFunctions(KUBERNETES_FUNCTIONS),
};

/** How the API server writes names of fields that are words of the language, or no names in it. */
function fieldName(field: string): string {
  if (!field.includes('__')) return field;
  const whole = /^__([a-z_]+)__$/.exec(field)?.[1];
  if (whole !== undefined && (whole === 'namespace' || RESERVED.has(whole))) return whole;
  return field.replace(/__(underscores|dot|dash|slash)__/g, (_, name: string) => ESCAPED[name] ?? '');
}
const ESCAPED: Readonly<Record<string, string>> = { underscores: '__', dot: '.', dash: '-', slash: '/' };

export const KUBERNETES_DIALECT: Dialect<null> = {
  functions: new Map(Object.entries(FUNCTIONS)),
  macros: new Set(['all', 'exists', 'exists_one', 'map', 'filter', 'bind', 'optMap', 'optFlatMap']),
  macroRefusal: '',
  text: UNICODE_TEXT,
  hasOptionals: true,
  isNullNothing: true,
  maxProgramSize: null,
  maxSteps: MAX_STEPS,
  fieldName,
};
