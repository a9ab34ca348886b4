// A syntax tree → a function of its variables. Macros become loops; each step counts against a budget.
import type { Apply, Dialect, Overload } from './dialect.ts';
import { patternOf } from './functions.ts';
import { loop } from './loops.ts';
import { type Eval, type Run, STEPS_EXCEEDED } from './run.ts';
import { chain, member, select } from './select.ts';
import { ExpressionError, type Node, parseExpression } from './syntax.ts';
import {
  CelError,
  CelMap,
  isError,
  isMap,
  LiteralMap,
  memberOf,
  noOverload,
  NONE,
  Optional,
  type Result,
  sizeOfMap,
  TypeName,
  type Value,
} from './values.ts';

export type Expression<S> = {
  /** `variables`: values by the order of the names. Never throws. Not to be called while it runs. */
  evaluate(source: S, ...variables: Value[]): Result;
  /** Whether the text uses the variable. */
  uses(variable: string): boolean;
};

/** Throws an ExpressionError when the text is none, or asks for what the dialect has not. */
export function compileExpression<S>(
  text: string,
  dialect: Dialect<S>,
  variables: readonly string[] = [],
): Expression<S> {
  return compileTree(parseExpression(text), dialect, variables);
}

/** The same of a tree that came as one. */
export function compileTree<S>(node: Node, dialect: Dialect<S>, variables: readonly string[] = []): Expression<S> {
  const compiler = new Compiler(dialect, variables);
  const root = compiler.compile(node, variables);
  const run: Run = { slots: [...variables.map(() => null)], steps: 0, source: undefined };
  return {
    evaluate(source, ...values) {
      for (let i = 0; i < values.length; i++) run.slots[i] = values[i] as Value;
      run.steps = dialect.maxSteps;
      run.source = source;
      const result = root(run);
      // What it saw is not kept alive.
      run.source = undefined;
      return run.steps < 0 ? STEPS_EXCEEDED : result;
    },
    uses: (variable) => compiler.used.has(variable),
  };
}

const TYPES = new Set(['int', 'uint', 'double', 'bool', 'string', 'bytes', 'list', 'map', 'null_type', 'type']);
const LOOPS = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);

class Compiler<S> {
  readonly used = new Set<string>();
  readonly #dialect: Dialect<S>;
  readonly #globals: ReadonlySet<string>;

  constructor(dialect: Dialect<S>, globals: readonly string[]) {
    this.#dialect = dialect;
    this.#globals = new Set(globals);
  }

  compile(node: Node, scope: readonly string[]): Eval {
    switch (node.kind) {
      case 'constant': {
        const value = typeof node.value === 'string' ? this.#dialect.text.literal(node.value) : node.value;
        return () => value;
      }
      case 'name':
        return this.#attribute(node, scope) ?? this.#name(node.name, scope);
      case 'select':
        return this.#attribute(node, scope) ?? this.#select(node, scope);
      case 'index':
        return this.#attribute(node, scope) ?? this.#index(node, scope);
      case 'list':
        return this.#list(node.items, scope);
      case 'map':
        return this.#map(node.entries, scope);
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
    if (this.#dialect.attribute === undefined) throw new ExpressionError(`undeclared reference to '${name}'`);
    const error = new CelError(`no value with name '${name}' found`);
    return () => error;
  }

  /** What the dialect knows of the path that the node is; null: it is none, or nothing is known. */
  #attribute(node: Node, scope: readonly string[]): Eval | null {
    const get = this.#attributeRead(node, scope);
    if (get === null) return null;
    const error = new CelError(`no such key: ${chain(node)?.at(-1)}`);
    return (run) => {
      const value = get(run.source as S);
      return value === undefined ? error : value;
    };
  }

  #attributeRead(node: Node, scope: readonly string[]): ((source: S) => Value | undefined) | null {
    const { attribute } = this.#dialect;
    const path = attribute === undefined ? null : chain(node);
    if (path === null || attribute === undefined || scope.includes(path[0] as string)) return null;
    return attribute(path);
  }

  #field(name: string): string {
    return this.#dialect.text.literal(this.#dialect.fieldName?.(name) ?? name);
  }

  #needsOptionals(): void {
    if (!this.#dialect.hasOptionals) throw new ExpressionError("unsupported syntax '.?'");
  }

  #select(node: Node & { kind: 'select' }, scope: readonly string[]): Eval {
    const of = this.compile(node.of, scope);
    const field = this.#field(node.field);
    if (node.isOptional) {
      this.#needsOptionals();
      return (run) => {
        const value = of(run);
        return isError(value) ? value : select(value, field);
      };
    }
    const missing = new CelError(`no such key: ${node.field}`);
    return (run) => {
      const value = of(run);
      if (isError(value)) return value;
      if (value instanceof Optional) return select(value, field);
      if (!isMap(value)) return noOverload(`.${field}`, value);
      const found = memberOf(value, field);
      return found === undefined ? missingOr(value, field, missing) : found;
    };
  }

  #index(node: Node & { kind: 'index' }, scope: readonly string[]): Eval {
    const of = this.compile(node.of, scope);
    const at = this.compile(node.at, scope);
    const { isOptional } = node;
    if (isOptional) this.#needsOptionals();
    return (run) => {
      const value = of(run);
      if (isError(value)) return value;
      const key = at(run);
      if (isError(key)) return key;
      return isOptional || value instanceof Optional ? select(value, key) : member(value, key);
    };
  }

  #list(nodes: readonly Node[], scope: readonly string[]): Eval {
    const items = nodes.map((item) => this.compile(item, scope));
    if (nodes.every(({ kind }) => kind === 'constant')) {
      const list = items.map((item) => item(NO_RUN) as Value);
      return () => list;
    }
    return (run) => {
      const list: Value[] = [];
      for (const item of items) {
        const value = item(run);
        if (isError(value)) return value;
        list.push(value);
      }
      return list;
    };
  }

  #map(nodes: readonly (readonly [Node, Node])[], scope: readonly string[]): Eval {
    const entries = nodes.map(([key, value]) => [this.compile(key, scope), this.compile(value, scope)] as const);
    return (run) => {
      const made: [Value, Value][] = [];
      for (const [keyNode, valueNode] of entries) {
        const key = keyNode(run);
        if (isError(key)) return key;
        const value = valueNode(run);
        if (isError(value)) return value;
        made.push([key, value]);
      }
      return LiteralMap.of(made) ?? WRONG_KEY;
    };
  }

  #call(node: Node & { kind: 'call' }, scope: readonly string[]): Eval {
    const { name, target, args } = node;
    const special = target === null ? this.#special(name, args, scope) : this.#macro(name, target, args, scope);
    if (special !== null) return special;
    const { functions } = this.#dialect;
    if (target === null) return this.#apply(name, name, args, scope);
    const path = target.kind === 'name' && !scope.includes(target.name) ? `${target.name}.${name}` : '';
    if (functions.has(path)) return this.#apply(path, name, args, scope);
    return this.#apply(`.${name}`, name, [target, ...args], scope);
  }

  #apply(key: string, name: string, args: readonly Node[], scope: readonly string[]): Eval {
    const overload: Overload | undefined = this.#dialect.functions.get(key);
    if (overload === undefined || args.length < overload[0] || args.length > overload[1]) {
      throw new ExpressionError(`no overload found in reference resolve step for ${name}`);
    }
    if (name === 'matches') this.#checkPattern(args[1]);
    const nodes = args.map((arg) => this.compile(arg, scope));
    return applied(overload[2], nodes);
  }

  /** A pattern that stands in the expression is checked with it. */
  #checkPattern(node: Node | undefined): void {
    if (node?.kind !== 'constant' || typeof node.value !== 'string') return;
    const { maxProgramSize, text } = this.#dialect;
    const pattern = patternOf(text.searched(text.literal(node.value)));
    if (pattern instanceof CelError) throw new ExpressionError(pattern.message);
    if (maxProgramSize !== null && pattern.programSize() > maxProgramSize) {
      throw new ExpressionError('regular expression exceeds max allowed size');
    }
  }

  #special(name: string, args: readonly Node[], scope: readonly string[]): Eval | null {
    if (name === 'has') return this.#has(args, scope);
    if (name !== '&&' && name !== '||' && name !== '?:') return null;
    const nodes = args.map((arg) => this.compile(arg, scope));
    if (name !== '?:') return either(nodes, name === '||');
    const [test, yes, no] = nodes as [Eval, Eval, Eval];
    return (run) => {
      const value = test(run);
      if (value === true) return yes(run);
      if (value === false) return no(run);
      return isError(value) ? value : noOverload('?:', value);
    };
  }

  #has(args: readonly Node[], scope: readonly string[]): Eval {
    const [node] = args;
    if (node?.kind !== 'select' || node.isOptional || args.length !== 1) {
      throw new ExpressionError('has() argument must be a field selection');
    }
    const read = this.#attributeRead(node, scope);
    if (read !== null) return (run) => read(run.source as S) !== undefined;
    const of = this.compile(node.of, scope);
    const field = this.#field(node.field);
    const { isNullNothing } = this.#dialect;
    return (run) => {
      const value = of(run);
      if (isError(value)) return value;
      if (value instanceof Optional) {
        const found = select(value, field);
        return isError(found) ? found : (found as Optional).value !== undefined;
      }
      if (!isMap(value)) return noOverload('has', value);
      const found = memberOf(value, field);
      if (found === undefined) return missingOr(value, field, false);
      return !(isNullNothing && found === null) && !isUnset(value, found);
    };
  }

  #macro(name: string, target: Node, args: readonly Node[], scope: readonly string[]): Eval | null {
    const variable = args[0]?.kind === 'name' ? args[0].name : null;
    if (variable === null) return null;
    const { macros, macroRefusal, maxSteps } = this.#dialect;
    if (LOOPS.has(name) && (args.length === 2 || (name === 'map' && args.length === 3))) {
      if (!macros.has(name as 'all')) throw new ExpressionError(macroRefusal);
      const of = this.compile(target, scope);
      const inner = [...scope, variable];
      const bodies = args.slice(1).map((arg) => this.compile(arg, inner));
      return loop(name, of, scope.length, bodies, maxSteps);
    }
    if (target.kind === 'name' && target.name === 'cel' && name === 'bind' && macros.has(name) && args.length === 3) {
      const value = this.compile(args[1] as Node, scope);
      const body = this.compile(args[2] as Node, [...scope, variable]);
      return (run) => {
        const bound = value(run);
        if (isError(bound)) return bound;
        run.slots[scope.length] = bound;
        return body(run);
      };
    }
    if ((name !== 'optMap' && name !== 'optFlatMap') || !macros.has(name) || args.length !== 2) return null;
    const of = this.compile(target, scope);
    const body = this.compile(args[1] as Node, [...scope, variable]);
    return (run) => {
      const value = of(run);
      if (isError(value)) return value;
      if (!(value instanceof Optional)) return noOverload(name, value);
      if (value.value === undefined) return NONE;
      run.slots[scope.length] = value.value;
      const result = body(run);
      return name === 'optMap' && !isError(result) ? new Optional(result) : result;
    };
  }
}

const WRONG_KEY = new CelError('a map has a key twice, or one that can be none');
const NO_RUN: Run = { slots: [], steps: 0, source: undefined };

function missingOr<T extends Result>(of: Value, field: string, otherwise: T): T | CelError {
  // A message has no fields but its own: whether one is there is no question.
  return of instanceof CelMap && of.isMessage ? new CelError(`no such field: ${field}`) : otherwise;
}

/** A map of a message is always there, but counts as set only when something is in it. */
function isUnset(of: Value, found: Value): boolean {
  return of instanceof CelMap && of.isMessage && isMap(found) && sizeOfMap(found) === 0;
}

function applied(apply: Apply, nodes: readonly Eval[]): Eval {
  const [first, second] = nodes as [Eval, Eval];
  if (nodes.length === 1) {
    return (run) => {
      const a = first(run);
      if (isError(a)) return a;
      return --run.steps < 0 ? STEPS_EXCEEDED : apply(a);
    };
  }
  if (nodes.length === 2) {
    return (run) => {
      const a = first(run);
      if (isError(a)) return a;
      const b = second(run);
      if (isError(b)) return b;
      return --run.steps < 0 ? STEPS_EXCEEDED : apply(a, b);
    };
  }
  return (run) => {
    const args: Value[] = [];
    for (const node of nodes) {
      const value = node(run);
      if (isError(value)) return value;
      args.push(value);
    }
    return --run.steps < 0 ? STEPS_EXCEEDED : apply(...args);
  };
}

/** '||' and '&&': one operand that decides makes the others' errors no matter. */
function either(nodes: readonly Eval[], decides: boolean): Eval {
  return (run) => {
    let error: CelError | null = null;
    for (let i = 0; i < nodes.length; i++) {
      const value = (nodes[i] as Eval)(run);
      if (value === decides) return decides;
      if (typeof value !== 'boolean') error ??= isError(value) ? value : noOverload(decides ? '||' : '&&', value);
    }
    return error ?? !decides;
  };
}
