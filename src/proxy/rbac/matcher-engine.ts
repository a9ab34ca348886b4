// The other form of access control: a tree of matchers (xds.type.matcher.v3.Matcher) whose leaves allow, deny or log.
import type { Headers } from '../../wire/headers.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { EXCHANGE_INPUT_FIELDS, exchangeInput } from '../matcher/exchange-inputs.ts';
import { MATCHER_TREE_FIELDS, decodeMatcher } from '../matcher/matcher.ts';
import type { MatcherPb } from '../matcher/matcher.ts';
import { NO_MATCH } from '../matcher/step.ts';
import type { Step } from '../matcher/step.ts';
import type { StreamInfo } from '../stream-info.ts';
import type { RbacAction, RbacEngine } from './engine.ts';

export type { MatcherPb } from '../matcher/matcher.ts';

const ACTION = 'envoy.config.rbac.v3.Action';

/** Supported fields. */
export const RBAC_MATCHER_FIELDS = {
  ...MATCHER_TREE_FIELDS,
  ...EXCHANGE_INPUT_FIELDS,
  [ACTION]: 'name action',
} as const;

type LeafAction = { readonly name: string; readonly action: RbacAction };

export class MatcherEngine implements RbacEngine {
  readonly #root: Step<StreamInfo, Headers>;
  readonly #actions: readonly LeafAction[];
  readonly #hasLog: boolean;

  constructor(root: Step<StreamInfo, Headers>, actions: readonly LeafAction[]) {
    this.#root = root;
    this.#actions = actions;
    this.#hasLog = actions.some(({ action }) => action === 'LOG');
  }

  get size(): number {
    return this.#actions.length;
  }

  match(info: StreamInfo, headers: Headers): number {
    return this.#root(info, headers);
  }

  /** What no matcher takes is denied. */
  isAllowed(index: number): boolean {
    const leaf = this.#actions[index];
    return leaf !== undefined && leaf.action !== 'DENY';
  }

  nameOf(index: number): string {
    return this.#actions[index]?.name ?? '';
  }

  /** With a LOG leaf anywhere every match says whether it is one. */
  logHint(index: number): boolean | null {
    const leaf = this.#actions[index];
    return this.#hasLog && leaf !== undefined ? leaf.action === 'LOG' : null;
  }
}

export function decodeMatcherEngine(message: MatcherPb, d: ConfigDecoder): MatcherEngine {
  const actions: LeafAction[] = [];
  const root = decodeMatcher<StreamInfo, Headers>(
    message,
    {
      input: exchangeInput,
      seen: (info, headers) => ({ info, requestHeaders: headers, responseHeaders: null, responseTrailers: null }),
      metadata: (info) => info.dynamicMetadata,
      action(type, leaf, at) {
        if (type !== ACTION) {
          at.reject('', `${type} is not supported: only ${ACTION} is`);
          return NO_MATCH;
        }
        const { name = '', action = 'ALLOW' } = leaf as Partial<LeafAction>;
        return actions.push(Object.freeze({ name, action })) - 1;
      },
    },
    d,
  );
  return new MatcherEngine(root, Object.freeze(actions));
}
