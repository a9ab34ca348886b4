// A syntax tree → a function of its variables. Macros become loops; each step counts against a budget.
import { FUNCTIONS, type Apply } from './functions.ts';
import { ExpressionError, type Node, parseExpression } from './syntax.ts';
import { EvaluationError, fail, isMap, NONE, noOverload, Optional, TypeName, type Value } from './values.ts';

/** Steps that one evaluation may take: the API server refuses what costs more. */
export const MAX_STEPS = 1_000_000;

/** One evaluation: variables in their slots, and what is left of the budget. */
class Run {
  readonly slots: Value[];
  steps = MAX_STEPS;

  constructor(slots: Value[]) {
    this.slots = slots;
  }

  step(): void {
    if (--this.steps < 0) fail('operation cancelled: actual cost limit exceeded');
  }
}

type Eval = (run: Run) => Value;

export type Expression = {
  /** Values by the order of the variables' names. Throws an EvaluationError. */
  evaluate(...variables: Value[]): Value;
  /** Whether the text uses the variable. */
  uses(variable: string): boolean;
};

/** Throws an ExpressionError when the text is none. */
export function compileExpression(text: string, variables: readonly string[]): Expression {
  const compiler = new Compiler(variables);
  const root = compiler.compile(parseExpression(text), [...variables]);
  return {
    evaluate: (...values) => root(new Run(values)),
    uses: (variable) => compiler.used.has(variable),
  };
}

const TYPES = new Set(['int', 'uint', 'double', 'bool', 'string', 'bytes', 'list', 'map', 'null_type', 'type']);

/** How the API server writes names of fields that are words of the language, or no names in it. */
function unescapeField(field: string): string {
  if (!field.includes('__')) return field;
  const whole = /^__([a-z_]+)__$/.exec(field)?.[1];
  if (whole !== undefined && RESERVED.has(whole)) return whole;
  return field.replace(/__(underscores|dot|dash|slash)__/g, (_, name: string) => ESCAPED[name] ?? '');
}
const ESCAPED: Readonly<Record<string, string>> = { underscores: '__', dot: '.', dash: '-', slash: '/' };
const RESERVED = new Set(
  [
    'true false null in as break const continue else for function if import let loop package namespace return var',
    'void while',
  ].flatMap((line) => line.split(' ')),
);

class Compiler {
  readonly used = new Set<string>();
  readonly #globals: ReadonlySet<string>;

  constructor(globals: readonly string[]) {
    this.#globals = new Set(globals);
  }

  compile(node: Node, scope: readonly string[]): Eval {
    switch (node.kind) {
      case 'constant': {
        const { value } = node;
        return () => value;
      }
      case 'name':
        return this.#name(node.name, scope);
      case 'select':
        return this.#select(node, scope);
      case 'index':
        return this.#index(node, scope);
      case 'list': {
        const items = node.items.map((item) => this.compile(item, scope));
        return (run) => items.map((item) => item(run));
      }
      case 'map': {
        const entries = node.entries.map(
          ([key, value]) => [this.compile(key, scope), this.compile(value, scope)] as const,
        );
        return (run) => Object.fromEntries(entries.map(([key, value]) => [keyOf(key(run)), value(run)]));
      }
      case 'call':
        return this.#call(node, scope);
    }
  }

  #name(name: string, scope: readonly string[]): Eval {
    const slot = scope.lastIndexOf(name);
    if (slot >= 0) {
      if (this.#globals.has(name)) this.used.add(name);
      return (run) => run.slots[slot] as Value;
    }
    if (TYPES.has(name)) {
      const type = new TypeName(name);
      return () => type;
    }
    throw new ExpressionError(`undeclared reference to '${name}'`);
  }

  #select(node: Node & { kind: 'select' }, scope: readonly string[]): Eval {
    const of = this.compile(node.of, scope);
    const field = unescapeField(node.field);
    if (node.isOptional) return (run) => select(of(run), field);
    return (run) => {
      run.step();
      const value = of(run);
      if (value instanceof Optional) return select(value, field);
      return member(value, field);
    };
  }

  #index(node: Node & { kind: 'index' }, scope: readonly string[]): Eval {
    const of = this.compile(node.of, scope);
    const at = this.compile(node.at, scope);
    if (node.isOptional) return (run) => select(of(run), at(run));
    return (run) => {
      run.step();
      const value = of(run);
      return value instanceof Optional ? select(value, at(run)) : member(value, at(run));
    };
  }

  #call(node: Node & { kind: 'call' }, scope: readonly string[]): Eval {
    const { name, target, args } = node;
    const special = this.#special(name, target, args, scope);
    if (special !== null) return special;
    const path = target === null ? null : namespaceOf(target, scope);
    if (path !== null && FUNCTIONS.has(`${path}.${name}`)) return this.#apply(`${path}.${name}`, null, args, scope);
    if (target !== null) return this.#apply(`.${name}`, target, args, scope);
    return this.#apply(name, null, args, scope);
  }

  #apply(name: string, target: Node | null, args: readonly Node[], scope: readonly string[]): Eval {
    const apply: Apply | undefined = FUNCTIONS.get(name);
    if (apply === undefined) throw new ExpressionError(`undeclared reference to '${name}'`);
    const nodes = (target === null ? args : [target, ...args]).map((arg) => this.compile(arg, scope));
    if (nodes.length === 1) {
      const [only] = nodes as [Eval];
      return (run) => {
        run.step();
        return apply(only(run));
      };
    }
    return (run) => {
      run.step();
      return apply(...nodes.map((node) => node(run)));
    };
  }

  #special(name: string, target: Node | null, args: readonly Node[], scope: readonly string[]): Eval | null {
    if (target !== null) return this.#macro(name, target, args, scope);
    if (name === 'has') return this.#has(args[0], scope);
    const nodes = ['&&', '||', '?:'].includes(name) ? args.map((arg) => this.compile(arg, scope)) : [];
    const [first, second, third] = nodes as [Eval, Eval, Eval];
    switch (name) {
      case '&&':
        return either(first, second, false);
      case '||':
        return either(first, second, true);
      case '?:':
        return (run) => {
          run.step();
          const test = first(run);
          if (typeof test !== 'boolean') return noOverload('?:', test);
          return test ? second(run) : third(run);
        };
      default:
        return null;
    }
  }

  #has(node: Node | undefined, scope: readonly string[]): Eval {
    if (node?.kind !== 'select') throw new ExpressionError('invalid argument to has() macro');
    const of = this.compile(node.of, scope);
    const field = unescapeField(node.field);
    return (run) => {
      run.step();
      const value = of(run);
      if (value instanceof Optional) return select(value, field).value !== undefined;
      if (!isMap(value)) return noOverload('has', value);
      // A null is as good as nothing: where it is allowed it means that.
      return Object.hasOwn(value, field) && value[field] !== null;
    };
  }

  #macro(name: string, target: Node, args: readonly Node[], scope: readonly string[]): Eval | null {
    const variable = args[0]?.kind === 'name' ? args[0].name : null;
    const isLoop = LOOPS.has(name) && variable !== null && (args.length === 2 || (name === 'map' && args.length === 3));
    if (isLoop) {
      const of = this.compile(target, scope);
      const inner = [...scope, variable];
      const bodies = args.slice(1).map((arg) => this.compile(arg, inner));
      return loop(name, of, scope.length, bodies);
    }
    if (target.kind === 'name' && target.name === 'cel' && name === 'bind' && variable !== null && args.length === 3) {
      const value = this.compile(args[1] as Node, scope);
      const body = this.compile(args[2] as Node, [...scope, variable]);
      return (run) => {
        run.slots[scope.length] = value(run);
        return body(run);
      };
    }
    if ((name === 'optMap' || name === 'optFlatMap') && variable !== null && args.length === 2) {
      const of = this.compile(target, scope);
      const body = this.compile(args[1] as Node, [...scope, variable]);
      return (run) => {
        const value = of(run);
        if (!(value instanceof Optional)) return noOverload(name, value);
        if (value.value === undefined) return NONE;
        run.slots[scope.length] = value.value;
        const result = body(run);
        return name === 'optMap' ? new Optional(result) : result;
      };
    }
    return null;
  }
}

const LOOPS = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

/** 'optional.of(x)': a name that is no variable and stands for a library. */
function namespaceOf(target: Node, scope: readonly string[]): string | null {
  return target.kind === 'name' && !scope.includes(target.name) ? target.name : null;
}

function keyOf(key: Value): string {
  return typeof key === 'string' ? key : String(key);
}

function member(of: Value, key: Value): Value {
  if (Array.isArray(of)) {
    const list = of as readonly Value[];
    if (typeof key !== 'number') return noOverload('[]', of, key);
    if (key < 0 || key >= list.length || !Number.isInteger(key)) return fail(`index out of bounds: ${key}`);
    return list[key] as Value;
  }
  if (!isMap(of)) return noOverload('[]', of, key);
  const name = keyOf(key);
  if (!Object.hasOwn(of, name)) return fail(`no such key: ${name}`);
  return of[name] as Value;
}

function select(of: Value, key: Value): Optional {
  const inner = of instanceof Optional ? of.value : of;
  if (inner === undefined) return NONE;
  if (Array.isArray(inner)) {
    const list = inner as readonly Value[];
    return typeof key === 'number' && key >= 0 && key < list.length ? new Optional(list[key]) : NONE;
  }
  if (!isMap(inner)) return noOverload('?.', inner, key);
  const name = keyOf(key);
  return Object.hasOwn(inner, name) ? new Optional(inner[name]) : NONE;
}

/** '||' and '&&': one side that decides makes the other's error no matter. */
function either(left: Eval, right: Eval, decides: boolean): Eval {
  return (run) => {
    run.step();
    let error: EvaluationError | null = null;
    for (const side of [left, right]) {
      try {
        const value = side(run);
        if (value === decides) return decides;
        if (typeof value !== 'boolean') noOverload(decides ? '||' : '&&', value);
      } catch (thrown) {
        if (!(thrown instanceof EvaluationError) || run.steps < 0) throw thrown;
        error ??= thrown;
      }
    }
    if (error !== null) throw error;
    return !decides;
  };
}

function loop(name: string, of: Eval, slot: number, bodies: readonly Eval[]): Eval {
  const [body, more] = bodies as [Eval, Eval?];
  const each = (run: Run, visit: (value: Value, item: Value) => boolean): void => {
    const range = of(run);
    const items = Array.isArray(range)
      ? (range as readonly Value[])
      : isMap(range)
        ? Object.keys(range)
        : noOverload(name, range);
    for (const item of items) {
      run.step();
      run.slots[slot] = item;
      if (visit(body(run), item)) return;
    }
  };
  const test = (value: Value): boolean => (typeof value === 'boolean' ? value : noOverload(name, value));
  switch (name) {
    case 'all':
    case 'exists':
      return quantifier(name === 'exists', of, slot, body);
    case 'exists_one':
      return (run) => {
        let count = 0;
        each(run, (value) => {
          if (test(value)) count++;
          return false;
        });
        return count === 1;
      };
    case 'filter':
      return (run) => {
        const kept: Value[] = [];
        each(run, (value, item) => {
          if (test(value)) kept.push(item);
          return false;
        });
        return kept;
      };
    default:
      return (run) => {
        const made: Value[] = [];
        each(run, (value) => {
          if (more === undefined) made.push(value);
          else if (test(value)) made.push(more(run));
          return false;
        });
        return made;
      };
  }
}

/** As '||' and '&&' over all items: an error counts only when no item decides. */
function quantifier(decides: boolean, of: Eval, slot: number, body: Eval): Eval {
  return (run) => {
    const range = of(run);
    const items = Array.isArray(range)
      ? (range as readonly Value[])
      : isMap(range)
        ? Object.keys(range)
        : noOverload('all', range);
    let error: EvaluationError | null = null;
    for (const item of items) {
      run.step();
      run.slots[slot] = item;
      try {
        const value = body(run);
        if (value === decides) return decides;
        if (typeof value !== 'boolean') noOverload(decides ? 'exists' : 'all', value);
      } catch (thrown) {
        if (!(thrown instanceof EvaluationError) || run.steps < 0) throw thrown;
        error ??= thrown;
      }
    }
    if (error !== null) throw error;
    return !decides;
  };
}
