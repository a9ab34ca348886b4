// Predicates that are expressions: xds.type.matcher.v3.CelMatcher on the attributes of an exchange.
import type { AttributeSource } from '../cel/attributes.ts';
import { type CelExpression, compileCel, compileCelTree } from '../cel/expression.ts';
import { type ExprPb, EXPR_FIELDS, TREE_FIELDS } from '../cel/tree.ts';
import type { ConfigDecoder } from '../config-decoder.ts';

export const CEL_INPUT = 'xds.type.matcher.v3.HttpAttributesCelMatchInput';
const CEL_MATCHER = 'xds.type.matcher.v3.CelMatcher';

type WholeExprPb = { readonly expr?: ExprPb };
type CelMatcherPb = {
  readonly expr_match?: {
    readonly parsed_expr?: WholeExprPb;
    readonly checked_expr?: WholeExprPb;
    readonly cel_expr_parsed?: WholeExprPb;
    readonly cel_expr_checked?: WholeExprPb;
    readonly cel_expr_string?: string;
  };
};

/** The description changes nothing, here as in Envoy. */
export const CEL_MATCHER_FIELDS = {
  [CEL_INPUT]: '',
  [CEL_MATCHER]: 'expr_match description',
  'xds.type.v3.CelExpression': 'parsed_expr checked_expr cel_expr_parsed cel_expr_checked cel_expr_string',
  ...EXPR_FIELDS,
  ...TREE_FIELDS,
} as const;

/** What the expression holds of; null after rejecting it. An error is no match. */
export function decodeCelPredicate(
  type: string,
  message: object,
  d: ConfigDecoder,
): ((source: AttributeSource) => boolean) | null {
  if (type !== CEL_MATCHER) {
    d.reject('', `${type} is not supported with ${CEL_INPUT}: only ${CEL_MATCHER} is`);
    return null;
  }
  const compiled = compileMatch((message as CelMatcherPb).expr_match ?? {});
  if (typeof compiled === 'string') {
    d.reject('expr_match', compiled);
    return null;
  }
  return (source) => compiled.evaluate(source) === true;
}

/** Matchers know nothing of the node, as in Envoy. */
function compileMatch(match: NonNullable<CelMatcherPb['expr_match']>): CelExpression | string {
  if (match.cel_expr_string !== undefined) return compileCel(match.cel_expr_string, {}, {});
  const whole = match.cel_expr_checked ?? match.cel_expr_parsed ?? match.checked_expr ?? match.parsed_expr;
  return compileCelTree(whole?.expr ?? {}, {}, null);
}
