// The access-log filter that goes by an expression: takes what it holds of, and nothing where it cannot be told.
import type { ConfigDecoder } from '../config-decoder.ts';
import type { FormatContext } from '../formatter/format-context.ts';
import { compileExpression } from '../istio/expression.ts';
import { type LocalNode, NO_NODE } from '../istio/node.ts';

export const EXPRESSION_FILTER = 'envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter';

/** What it needs of the decoder's environment. */
export type ExpressionEnvironment = { readonly localNode?: LocalNode };

/** Null when the expression was rejected. */
export function decodeExpressionFilter(
  { expression = '' }: { readonly expression?: string },
  d: ConfigDecoder,
): ((ctx: FormatContext) => boolean) | null {
  const compiled = compileExpression(expression);
  if (typeof compiled === 'string') {
    d.reject('expression', compiled);
    return null;
  }
  const { localNode: node = NO_NODE } = d.environment as ExpressionEnvironment;
  return ({ info, requestHeaders, responseHeaders, responseTrailers }) =>
    compiled.evaluate({ info, node, requestHeaders, responseHeaders, responseTrailers }) === true;
}
