// The language as Envoy has it: what it may use is a matter of configuration, and loops are never among it.
import { ExpressionError } from '../../base/cel/syntax.ts';
import type { Dialect, Functions } from '../../base/cel/dialect.ts';
import { languageFunctions } from '../../base/cel/functions.ts';
import { BYTE_TEXT } from '../../base/cel/text-forms.ts';
import { textFunctions } from '../../base/cel/texts.ts';
import { type AttributeSource, attributeOf, type Read } from './attributes.ts';
import type { CelNode } from './node-message.ts';
import { REGEX_FUNCTIONS } from './regex-functions.ts';

/** envoy.config.core.v3.CelExpressionConfig. */
export type CelConfigPb = {
  readonly enable_string_conversion?: boolean | undefined;
  readonly enable_string_concat?: boolean | undefined;
  readonly enable_string_functions?: boolean | undefined;
};

export const CEL_CONFIG_FIELDS = {
  'envoy.config.core.v3.CelExpressionConfig': 'enable_string_conversion enable_string_concat enable_string_functions',
} as const;

/** Without loops the size of an expression bounds it already. */
const MAX_STEPS = 100_000;
/** Source: Envoy's evaluator, regex_max_program_size. */
const MAX_PROGRAM_SIZE = 100;

const TEXTS = textFunctions(BYTE_TEXT);
const functionTables = new Map<number, ReadonlyMap<string, Functions[string]>>();

function functionsOf(config: CelConfigPb): ReadonlyMap<string, Functions[string]> {
  const hasStringConversion = config.enable_string_conversion === true;
  const joinsText = config.enable_string_concat === true;
  const hasTexts = config.enable_string_functions === true;
  const key = Number(hasStringConversion) + 2 * Number(joinsText) + 4 * Number(hasTexts);
  const known = functionTables.get(key);
  if (known !== undefined) return known;
  const loose = { hasLooseNumbers: false, joinsLists: false, hasWholeMilliseconds: false };
  const language = languageFunctions(BYTE_TEXT, { ...loose, joinsText, hasStringConversion });
  const made = new Map(Object.entries({ ...language, ...REGEX_FUNCTIONS, ...(hasTexts ? TEXTS : {}) }));
  functionTables.set(key, made);
  return made;
}

export function envoyDialect(config: CelConfigPb, node: CelNode | null): Dialect<AttributeSource> {
  return {
    functions: functionsOf(config),
    macros: new Set(),
    macroRefusal: 'Comprehension support is disabled',
    text: BYTE_TEXT,
    hasOptionals: false,
    isNullNothing: false,
    maxProgramSize: MAX_PROGRAM_SIZE,
    maxSteps: MAX_STEPS,
    attribute: (path) => known(attributeOf(path, node)),
  };
}

function known(read: Read | string | null): Read | null {
  if (typeof read === 'string') throw new ExpressionError(read);
  return read;
}

/** Everything that Envoy can switch on, loops, and `node` beside `xds.node`: the labels of Istio's metrics. */
export function istioDialect(node: CelNode): Dialect<AttributeSource> {
  const all = { enable_string_conversion: true, enable_string_concat: true, enable_string_functions: true };
  return {
    ...envoyDialect(all, node),
    macros: new Set(['all', 'exists', 'exists_one', 'map', 'filter']),
    attribute: (path) => (path.length === 1 && path[0] === 'node' ? () => node : known(attributeOf(path, node))),
  };
}
