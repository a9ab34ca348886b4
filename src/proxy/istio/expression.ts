// The expressions in which labels and amounts of metrics are written.
import { compileExpression as compile } from '../../base/cel/compile.ts';
import { ExpressionError } from '../../base/cel/syntax.ts';
import { isError, isMap, numberKind, type Result } from '../../base/cel/values.ts';
import type { AttributeSource } from '../cel/attributes.ts';
import { istioDialect } from '../cel/dialect.ts';
import { nodeMessage } from '../cel/node-message.ts';
import { printed } from '../cel/print.ts';
import type { LocalNode } from './node.ts';

export type Expression = { evaluate(source: AttributeSource): Result };

/** What a label shows; Istio shows errors as 'unknown'. */
export function textOf(value: Result): string {
  if (isError(value) || Array.isArray(value) || (value !== null && isMap(value))) return 'unknown';
  const bytes = printed(value);
  return NOT_ASCII.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}
const NOT_ASCII = /[\x80-\xff]/;

/** The amount of a metric; 0 where the value is no whole number. */
export function amountOf(value: Result): number {
  if (isError(value)) return 0;
  const text = typeof value === 'string' || numberKind(value) !== null ? printed(value) : '';
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

/** Expressions are short; longer ones are refused. */
const MAX_LENGTH = 1000;

/** Returns the reason when the text is none. */
export function compileExpression(text: string, node: LocalNode): Expression | string {
  if (text.length > MAX_LENGTH) return `an expression may have ${MAX_LENGTH} characters`;
  try {
    return compile(text, istioDialect(nodeMessage(node)));
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return `the expression ${JSON.stringify(text)} is not supported: ${error.message}`;
  }
}
