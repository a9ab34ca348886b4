// The condition of a policy: an expression on the attributes of what was asked.
import type { CelConfigPb } from '../cel/dialect.ts';
import { type CelExpression, compileCelTree } from '../cel/expression.ts';
import type { ExprPb } from '../cel/tree.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { Headers } from '../../wire/headers.ts';
import type { StreamInfo } from '../stream-info.ts';
import { NEVER, type Rule } from './rules.ts';

type ConditionPb = {
  readonly condition?: ExprPb;
  readonly checked_condition?: { readonly expr?: ExprPb };
  readonly cel_config?: CelConfigPb;
};

/** Null: there is none. */
export function decodeCondition(message: ConditionPb, d: ConfigDecoder): Rule | null {
  const { condition, checked_condition: checked, cel_config: config = {} } = message;
  const tree = condition ?? checked?.expr;
  if (tree === undefined) return null;
  // Rules know nothing of the node, as in Envoy.
  const compiled = compileCelTree(tree, config, null);
  if (typeof compiled !== 'string') return new ConditionRule(compiled);
  d.reject(condition === undefined ? 'checked_condition' : 'condition', compiled);
  return NEVER;
}

/** An error is no match, as in Envoy, whatever the policy's action. */
class ConditionRule implements Rule {
  readonly #expression: CelExpression;

  constructor(expression: CelExpression) {
    this.#expression = expression;
  }

  matches(info: StreamInfo, headers: Headers): boolean {
    const source = { info, requestHeaders: headers, responseHeaders: null, responseTrailers: null };
    return this.#expression.evaluate(source) === true;
  }
}
