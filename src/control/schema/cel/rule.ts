// A rule of 'x-kubernetes-validations', compiled.
import { compileExpression, type Expression } from '../../../base/cel/compile.ts';
import { isError, NONE, Optional, type Value } from '../../../base/cel/values.ts';
import { KUBERNETES_DIALECT } from './dialect.ts';

export type RuleSource = {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
};

export type CompiledRule = {
  readonly source: RuleSource;
  /** Whether the rule compares with what was there before. */
  readonly usesOld: boolean;
  /** Null when the rule holds, otherwise what is to be said. `old` is undefined when nothing was there. */
  check(self: Value, old: Value | undefined): string | null;
};

const VARIABLES = ['self', 'oldSelf'] as const;

/** Rules come with schemas that are part of the program, so one that does not compile throws: it is a bug. */
export function compileRule(source: RuleSource): CompiledRule {
  const rule = compileExpression(source.rule, KUBERNETES_DIALECT, VARIABLES);
  const text = source.messageExpression;
  const message = text === undefined ? null : compileExpression(text, KUBERNETES_DIALECT, VARIABLES);
  const usesOld = rule.uses('oldSelf');
  return { source, usesOld, check: (self, old) => check(source, rule, message, usesOld, self, old) };
}

function check(
  source: RuleSource,
  rule: Expression<null>,
  message: Expression<null> | null,
  usesOld: boolean,
  self: Value,
  old: Value | undefined,
): string | null {
  let before: Value = old ?? null;
  if (source.optionalOldSelf === true) before = old === undefined ? NONE : new Optional(old);
  // Without something to compare with, a rule on changes says nothing.
  else if (usesOld && old === undefined) return null;
  const result = rule.evaluate(null, self, before);
  if (isError(result)) return `rule evaluation error: ${result.message} (rule: ${source.rule})`;
  return result === true ? null : messageOf(source, message, self, before);
}

function messageOf(source: RuleSource, expression: Expression<null> | null, self: Value, old: Value): string {
  const fixed = source.message ?? `failed rule: ${source.rule.replaceAll('\n', ' ')}`;
  if (expression === null) return fixed;
  const text = expression.evaluate(null, self, old);
  return typeof text === 'string' && text.trim() !== '' && !text.includes('\n') ? text : fixed;
}
