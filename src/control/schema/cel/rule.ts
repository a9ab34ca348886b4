// A rule of 'x-kubernetes-validations', compiled.
import { compileExpression, type Expression } from './compile.ts';
import { EvaluationError, NONE, Optional, type Value } from './values.ts';

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
  const rule = compileExpression(source.rule, VARIABLES);
  const text = source.messageExpression;
  const message = text === undefined ? null : compileExpression(text, VARIABLES);
  const usesOld = rule.uses('oldSelf');
  return { source, usesOld, check: (self, old) => check(source, rule, message, usesOld, self, old) };
}

function check(
  source: RuleSource,
  rule: Expression,
  message: Expression | null,
  usesOld: boolean,
  self: Value,
  old: Value | undefined,
): string | null {
  let before: Value = old ?? null;
  if (source.optionalOldSelf === true) before = old === undefined ? NONE : new Optional(old);
  // Without something to compare with, a rule on changes says nothing.
  else if (usesOld && old === undefined) return null;
  try {
    return rule.evaluate(self, before) === true ? null : messageOf(source, message, self, before);
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return `rule evaluation error: ${error.message} (rule: ${source.rule})`;
  }
}

function messageOf(source: RuleSource, expression: Expression | null, self: Value, old: Value): string {
  const fixed = source.message ?? `failed rule: ${source.rule.replaceAll('\n', ' ')}`;
  if (expression === null) return fixed;
  try {
    const text = expression.evaluate(self, old);
    return typeof text === 'string' && text.trim() !== '' && !text.includes('\n') ? text : fixed;
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return fixed;
  }
}
