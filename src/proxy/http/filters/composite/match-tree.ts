// Trees that choose what becomes of a filter for an exchange: skip it, or execute others in its place.
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { HTTP_INPUT_FIELDS, httpInput, type SeenExchange } from '../../../matcher/http-inputs.ts';
import { decodeMatcher, MATCHER_TREE_FIELDS, type MatcherPb } from '../../../matcher/matcher.ts';
import { NO_MATCH, type Step } from '../../../matcher/step.ts';
import { decodeExecuteAction, EXECUTE_ACTION, EXECUTE_FIELDS, type ExecuteAction } from './execute-action.ts';

export type { MatcherPb } from '../../../matcher/matcher.ts';

const SKIP_FILTER = 'envoy.extensions.filters.common.matcher.action.v3.SkipFilter';

export const MATCH_TREE_FIELDS = {
  ...MATCHER_TREE_FIELDS,
  ...HTTP_INPUT_FIELDS,
  ...EXECUTE_FIELDS,
  [SKIP_FILTER]: '',
} as const;

/** `step` leads to an index of `actions`; null is to skip the filter. */
export type MatchTree = {
  readonly step: Step<SeenExchange, null>;
  readonly actions: readonly (ExecuteAction | null)[];
};

export function decodeMatchTree(message: MatcherPb, d: ConfigDecoder): MatchTree {
  const actions: (ExecuteAction | null)[] = [];
  const step = decodeMatcher<SeenExchange, null>(
    message,
    {
      input: httpInput,
      seen: (exchange) => exchange,
      metadata: ({ info }) => info.dynamicMetadata,
      action(type, action, at) {
        if (type === SKIP_FILTER) return actions.push(null) - 1;
        if (type === EXECUTE_ACTION) return actions.push(decodeExecuteAction(action as never, at)) - 1;
        at.reject('', `${type} is not supported as an action here: ${SKIP_FILTER} and ${EXECUTE_ACTION} are`);
        return NO_MATCH;
      },
    },
    d,
  );
  return Object.freeze({ step, actions: Object.freeze(actions) });
}
