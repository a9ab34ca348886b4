// The access-log filter of an expression: takes what it holds of, and nothing where it cannot be told.
import type { CelConfigPb } from '../cel/dialect.ts';
import { type CelEnvironment, compileCel } from '../cel/expression.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { FormatContext } from '../formatter/format-context.ts';

export const EXPRESSION_FILTER = 'envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter';

type ExpressionFilterPb = { readonly expression?: string; readonly cel_config?: CelConfigPb };

/** Null when the expression was rejected. */
export function decodeExpressionFilter(
  { expression = '', cel_config: config = {} }: ExpressionFilterPb,
  d: ConfigDecoder,
): ((ctx: FormatContext) => boolean) | null {
  const compiled = compileCel(expression, config, d.environment as CelEnvironment);
  if (typeof compiled === 'string') {
    d.reject('expression', compiled);
    return null;
  }
  return (ctx) => compiled.evaluate(ctx) === true;
}
