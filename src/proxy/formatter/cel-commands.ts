// Commands whose values are expressions: CEL as text, TYPED_CEL as what it is.
import { isError } from '../../base/cel/values.ts';
import type { CelConfigPb } from '../cel/dialect.ts';
import { compileCel } from '../cel/expression.ts';
import { printed, printedJson } from '../cel/print.ts';
import type { FormatContext } from './format-context.ts';
import { type Command, type CommandUse, type Operator, text, truncated } from './operator.ts';

/** Commands by name, with what expressions may use. */
export function celCommands(config: CelConfigPb): Readonly<Record<string, Command>> {
  return {
    CEL: { params: 'optional', length: true, make: (use) => celOperator(use, config, false) },
    TYPED_CEL: { params: 'optional', length: true, make: (use) => celOperator(use, config, true) },
  };
}

function celOperator(use: CommandUse, config: CelConfigPb, isTyped: boolean): Operator | null {
  const expression = compileCel(use.param, config, use.environment);
  if (typeof expression === 'string') {
    use.reject(expression);
    return null;
  }
  const { maxLength } = use;
  const get = (ctx: FormatContext): string | null => {
    const value = expression.evaluate(ctx);
    return isError(value) ? null : printed(value);
  };
  if (!isTyped) return truncated(text(get), maxLength);
  const json = (ctx: FormatContext): string | null => {
    const value = expression.evaluate(ctx);
    if (isError(value)) return null;
    return printedJson(typeof value === 'string' && maxLength !== null ? value.slice(0, maxLength) : value);
  };
  return truncated({ type: 'json', get, json }, maxLength);
}
