// Syntax tree → instructions. Registers: locals where they are declared, values that are being computed above them.
import type { Block, Expression, FunctionBody, Local, Statement } from './ast.ts';
import { Op, type Prototype } from './opcodes.ts';
import { parse } from './parser.ts';
import { LuaError } from './values.ts';

const MAX_REGISTERS = 250;
const MAX_CONSTANTS = 1 << 20;
/** Operands of one instruction that have names in messages. */
export const NAMES_PER_INSTRUCTION = 256;
/** Values of a table constructor that are set together. */
const LIST_BATCH = 50;

/**
 * Compiles a chunk; `chunk` is its name in messages ('[string "…"]').
 * Throws a LuaError whose value is the message with place.
 */
export function compile(source: string, chunk: string): Prototype {
  try {
    return new FunctionCompiler(parse(source, chunk), chunk).prototype;
  } catch (e) {
    if (e instanceof RangeError) throw new LuaError(`${chunk}: chunk has too many syntax levels`);
    throw e;
  }
}

/** What messages call a chunk that was given as text. */
export function chunkName(name: string): string {
  if (name.startsWith('=') || name.startsWith('@')) return name.slice(1, 60);
  const end = name.indexOf('\n');
  const line = end < 0 ? name : name.slice(0, end);
  const max = 60 - '[string "..."]'.length - 1;
  return end >= 0 || line.length > max ? `[string "${line.slice(0, max)}..."]` : `[string "${line}"]`;
}

type PendingGoto = { readonly label: string; readonly instruction: number; readonly line: number; locals: number };

type BlockState = {
  readonly parent: BlockState | null;
  readonly labels: Map<string, { readonly instruction: number; readonly locals: number }>;
  pending: PendingGoto[];
  /** Visible locals where the block begins. */
  readonly firstLocal: number;
  /** Jumps out of the loop; null where the block is no loop. */
  readonly breaks: number[] | null;
};

class FunctionCompiler {
  readonly prototype: Prototype;
  readonly #code: number[] = [];
  readonly #lines: number[] = [];
  readonly #constants = new Map<string | number, number>();
  #free = 0;
  #block: BlockState | null = null;
  readonly #locals: Local[] = [];

  constructor(body: FunctionBody, chunk: string) {
    const { scope, parameters } = body;
    this.prototype = {
      chunk,
      line: body.line,
      code: new Int32Array(0),
      lines: new Int32Array(0),
      constants: [],
      prototypes: [],
      upvalues: [],
      upvalueNames: [],
      names: new Map(),
      parameters: parameters.length,
      boxedParameters: [],
      isVararg: scope.isVararg,
      registers: 0,
    };
    for (const parameter of parameters) {
      parameter.register = this.#take(1);
      this.#locals.push(parameter);
      if (parameter.isCaptured) this.prototype.boxedParameters.push(parameter.register);
    }
    this.#compileBlock(body.block, null);
    this.#emit(body.endLine, Op.RETURN, 0, 0, 0);
    for (const { local, fromParentUpvalue } of scope.upvalues) {
      this.prototype.upvalues.push(fromParentUpvalue >= 0 ? ~fromParentUpvalue : local.register);
      this.prototype.upvalueNames.push(local.name);
    }
    this.prototype.code = Int32Array.from(this.#code);
    this.prototype.lines = Int32Array.from(this.#lines);
  }

  #emit(line: number, op: number, a: number, b: number, c: number): number {
    const at = this.#lines.length;
    this.#code.push(op, a, b, c);
    this.#lines.push(line);
    return at;
  }

  #fail(line: number, message: string): never {
    throw new LuaError(`${this.prototype.chunk}:${line}: ${message}`);
  }

  /** The next instruction's number. */
  get #here(): number {
    return this.#lines.length;
  }

  #patch(jumps: readonly number[], target = this.#here): void {
    for (const jump of jumps) {
      const op = this.#code[jump * 4];
      const operand = op === Op.JMP ? 1 : op === Op.JMPIF || op === Op.JMPIFNOT ? 2 : 3;
      this.#code[jump * 4 + operand] = target;
    }
  }

  #take(count: number): number {
    const first = this.#free;
    this.#free += count;
    if (this.#free > MAX_REGISTERS) this.#fail(this.#lines.at(-1) ?? 0, 'function or expression too complex');
    if (this.#free + 1 > this.prototype.registers) this.prototype.registers = this.#free + 1;
    return first;
  }

  #constant(value: string | number): number {
    // Object.is(-0, 0) is false, and a map takes them for the same.
    const key = Object.is(value, -0) ? '\0-0' : typeof value === 'string' ? `s${value}` : value;
    let index = this.#constants.get(key);
    if (index === undefined) {
      index = this.prototype.constants.length;
      if (index > MAX_CONSTANTS) this.#fail(this.#lines.at(-1) ?? 0, 'constant table overflow');
      this.prototype.constants.push(value);
      this.#constants.set(key, index);
    }
    return ~index;
  }

  #name(instruction: number, operand: number, e: Expression): void {
    const text = describe(e);
    if (text !== null) this.prototype.names.set(instruction * NAMES_PER_INSTRUCTION + operand, text);
  }

  // Blocks and statements.

  #compileBlock(block: Block, breaks: number[] | null): void {
    this.#open(breaks);
    this.#statements(block);
    this.#shut();
  }

  #open(breaks: number[] | null): void {
    this.#block = {
      parent: this.#block,
      labels: new Map(),
      pending: [],
      firstLocal: this.#locals.length,
      breaks,
    };
  }

  #shut(): void {
    const block = this.#block as BlockState;
    if (this.#locals.length > block.firstLocal) {
      this.#free = (this.#locals[block.firstLocal] as Local).register;
      this.#locals.length = block.firstLocal;
    }
    this.#block = block.parent;
    for (const jump of block.pending) {
      if (block.parent === null) this.#fail(jump.line, `undefined label '${jump.label}'`);
      jump.locals = Math.min(jump.locals, block.firstLocal);
      block.parent.pending.push(jump);
    }
  }

  #statements({ statements }: Block): void {
    for (const [i, statement] of statements.entries()) {
      if (statement.kind === 'label') {
        const isLast = statements.slice(i + 1).every(({ kind }) => kind === 'label');
        this.#label(statement.label, statement.line, isLast);
      } else {
        this.#statement(statement);
      }
    }
  }

  #label(label: string, line: number, isLast: boolean): void {
    const block = this.#block as BlockState;
    for (let outer: BlockState | null = block; outer !== null; outer = outer.parent) {
      if (outer.labels.has(label)) this.#fail(line, `duplicate label '${label}'`);
    }
    const locals = isLast ? block.firstLocal : this.#locals.length;
    block.labels.set(label, { instruction: this.#here, locals });
    block.pending = block.pending.filter((jump) => {
      if (jump.label !== label) return true;
      if (jump.locals < locals) {
        const { name } = this.#locals[jump.locals] as Local;
        this.#fail(jump.line, `<goto ${label}> jumps into the scope of local '${name}'`);
      }
      this.#patch([jump.instruction]);
      return false;
    });
  }

  #goto(label: string, line: number): void {
    const jump = this.#emit(line, Op.JMP, 0, 0, 0);
    for (let block = this.#block; block !== null; block = block.parent) {
      const known = block.labels.get(label);
      if (known === undefined) continue;
      this.#patch([jump], known.instruction);
      return;
    }
    const { pending } = this.#block as BlockState;
    pending.push({ label, instruction: jump, line, locals: this.#locals.length });
  }

  #statement(s: Statement): void {
    const { line } = s;
    switch (s.kind) {
      case 'local':
        this.#local(s.locals, s.values, line);
        return;
      case 'localFunction': {
        const { local, body } = s;
        this.#declare(local, this.#take(1));
        if (local.isCaptured) {
          this.#emit(line, Op.LOADNIL, local.register, local.register, 0);
          this.#emit(line, Op.NEWBOX, local.register, local.register, 0);
          const temporary = this.#take(1);
          this.#closure(body, temporary);
          this.#emit(line, Op.SETBOX, local.register, temporary, 0);
          this.#free = temporary;
        } else {
          this.#closure(body, local.register);
        }
        return;
      }
      case 'assign':
        this.#assign(s.targets, s.values, line);
        return;
      case 'call':
        this.#call(s.call as CallExpression, this.#free, 0);
        return;
      case 'do':
        this.#compileBlock(s.block, null);
        return;
      case 'while': {
        const start = this.#here;
        const exits = this.#jumpUnless(s.condition);
        const breaks: number[] = [];
        this.#compileBlock(s.block, breaks);
        this.#emit(s.block.endLine, Op.JMP, start, 0, 0);
        this.#patch(exits);
        this.#patch(breaks);
        return;
      }
      case 'repeat': {
        const start = this.#here;
        const breaks: number[] = [];
        this.#open(breaks);
        this.#statements(s.block);
        this.#patch(this.#jumpUnless(s.condition), start);
        this.#shut();
        this.#patch(breaks);
        return;
      }
      case 'if':
        this.#if(s);
        return;
      case 'numericFor':
        this.#numericFor(s);
        return;
      case 'genericFor':
        this.#genericFor(s);
        return;
      case 'return':
        this.#return(s.values, line);
        return;
      case 'break': {
        let block = this.#block as BlockState;
        while (block.breaks === null) block = block.parent as BlockState;
        block.breaks.push(this.#emit(line, Op.JMP, 0, 0, 0));
        return;
      }
      case 'goto':
        this.#goto(s.label, line);
        return;
      case 'label':
        return;
    }
  }

  #declare(local: Local, register: number): void {
    local.register = register;
    this.#locals.push(local);
  }

  #local(locals: readonly Local[], values: readonly Expression[], line: number): void {
    const first = this.#free;
    this.#values(values, locals.length, line);
    // The registers of the values are those of the locals.
    this.#free = first;
    this.#take(locals.length);
    for (const [i, local] of locals.entries()) {
      this.#declare(local, first + i);
      if (local.isCaptured) this.#emit(line, Op.NEWBOX, first + i, first + i, 0);
    }
  }

  /** Computes as many values as are wanted into the next registers. */
  #values(values: readonly Expression[], wanted: number, line: number): void {
    const first = this.#free;
    for (const [i, e] of values.entries()) {
      const isLast = i === values.length - 1;
      if (isLast && isMulti(e) && wanted > i) {
        this.#multi(e, wanted - i);
        this.#free = first;
        this.#take(wanted);
        return;
      }
      const register = this.#take(1);
      this.#expression(e, register);
      if (i >= wanted) this.#free = register;
    }
    if (values.length < wanted) {
      const from = this.#take(wanted - values.length);
      this.#emit(line, Op.LOADNIL, from, first + wanted - 1, 0);
    }
  }

  #assign(targets: readonly Expression[], values: readonly Expression[], line: number): void {
    const first = this.#free;
    if (targets.length === 1 && values.length === 1) {
      this.#assignOne(targets[0] as Expression, values[0] as Expression, line);
      this.#free = first;
      return;
    }
    const places = targets.map((target) => {
      if (target.kind !== 'index') return null;
      const object = this.#take(2);
      this.#expression(target.object, object);
      this.#expression(target.key, object + 1);
      return object;
    });
    const from = this.#free;
    this.#values(values, targets.length, line);
    for (let i = targets.length - 1; i >= 0; i--) {
      this.#store(targets[i] as Expression, places[i] ?? null, from + i, line);
    }
    this.#free = first;
  }

  #assignOne(target: Expression, value: Expression, line: number): void {
    if (target.kind === 'local' && !target.local.isCaptured) {
      if (writesLast(value)) {
        this.#expression(value, target.local.register);
        return;
      }
      const temporary = this.#take(1);
      this.#expression(value, temporary);
      this.#emit(line, Op.MOVE, target.local.register, temporary, 0);
      return;
    }
    if (target.kind === 'index') {
      const object = this.#register(target.object);
      const key = this.#operand(target.key);
      const at = this.#emit(line, Op.SETTABLE, object, key, this.#operand(value));
      this.#name(at, 0, target.object);
      return;
    }
    this.#store(target, null, this.#operand(value), line);
  }

  /** `place`: the registers of the object and key of an index. */
  #store(target: Expression, place: number | null, operand: number, line: number): void {
    switch (target.kind) {
      case 'local': {
        const { register, isCaptured } = target.local;
        if (isCaptured) this.#emit(line, Op.SETBOX, register, operand, 0);
        else if (operand < 0) this.#emit(line, Op.LOADK, register, operand, 0);
        else this.#emit(line, Op.MOVE, register, operand, 0);
        return;
      }
      case 'upvalue':
        this.#emit(line, Op.SETUPVAL, operand, target.index, 0);
        return;
      case 'global':
        this.#emit(line, Op.SETGLOBAL, operand, this.#constant(target.name), 0);
        return;
      case 'index': {
        const at = this.#emit(line, Op.SETTABLE, place as number, (place as number) + 1, operand);
        this.#name(at, 0, target.object);
        return;
      }
      default:
        throw new Error(`assignment to ${target.kind}`);
    }
  }

  #if(s: Statement & { readonly kind: 'if' }): void {
    const ends: number[] = [];
    for (const [i, { condition, block }] of s.branches.entries()) {
      const otherwise = this.#jumpUnless(condition);
      this.#compileBlock(block, null);
      const isLast = i === s.branches.length - 1 && s.otherwise === null;
      if (!isLast) ends.push(this.#emit(block.endLine, Op.JMP, 0, 0, 0));
      this.#patch(otherwise);
    }
    if (s.otherwise !== null) this.#compileBlock(s.otherwise, null);
    this.#patch(ends);
  }

  #numericFor(s: Statement & { readonly kind: 'numericFor' }): void {
    const base = this.#take(4);
    this.#expression(s.start, base);
    this.#expression(s.limit, base + 1);
    if (s.step === null) this.#emit(s.line, Op.LOADK, base + 2, this.#constant(1), 0);
    else this.#expression(s.step, base + 2);
    const prepare = this.#emit(s.line, Op.FORPREP, base, 0, 0);
    const breaks: number[] = [];
    this.#open(breaks);
    this.#declare(s.variable, base + 3);
    if (s.variable.isCaptured) this.#emit(s.line, Op.NEWBOX, base + 3, base + 3, 0);
    this.#open(null);
    this.#statements(s.block);
    this.#shut();
    this.#shut();
    const loop = this.#emit(s.line, Op.FORLOOP, base, prepare + 1, 0);
    this.#code[prepare * 4 + 2] = loop;
    this.#patch(breaks);
    this.#free = base;
  }

  #genericFor(s: Statement & { readonly kind: 'genericFor' }): void {
    const base = this.#free;
    this.#values(s.values, 3, s.line);
    const variables = this.#take(Math.max(s.variables.length, 1));
    const start = this.#emit(s.line, Op.JMP, 0, 0, 0);
    const breaks: number[] = [];
    this.#open(breaks);
    for (const [i, variable] of s.variables.entries()) {
      this.#declare(variable, variables + i);
      if (variable.isCaptured) this.#emit(s.line, Op.NEWBOX, variables + i, variables + i, 0);
    }
    this.#open(null);
    this.#statements(s.block);
    this.#shut();
    this.#shut();
    this.#patch([start]);
    this.#emit(s.line, Op.TFORCALL, base, 0, s.variables.length);
    this.#emit(s.line, Op.TFORLOOP, base, start + 1, 0);
    this.#patch(breaks);
    this.#free = base;
  }

  #return(values: readonly Expression[], line: number): void {
    const first = this.#free;
    const [only] = values;
    if (values.length === 1 && only !== undefined) {
      if (only.kind === 'call' || only.kind === 'method') {
        this.#call(only, first, -1, true);
        this.#emit(line, Op.RETURN, first, -1, 0);
        this.#free = first;
        return;
      }
      if (only.kind === 'local' && !only.local.isCaptured) {
        this.#emit(line, Op.RETURN, only.local.register, 1, 0);
        return;
      }
    }
    const count = this.#list(values);
    this.#emit(line, Op.RETURN, first, count, 0);
    this.#free = first;
  }

  /** Values into the next registers: how many, or -1 - n when n are followed by an open number. */
  #list(values: readonly Expression[]): number {
    for (const [i, e] of values.entries()) {
      if (i === values.length - 1 && isMulti(e)) {
        this.#multi(e, -1);
        return -1 - i;
      }
      this.#expression(e, this.#take(1));
    }
    return values.length;
  }

  // Expressions.

  /** An operand: a constant (negative) or a register, perhaps that of a local. */
  #operand(e: Expression): number {
    if (e.kind === 'number' || e.kind === 'string') return this.#constant(e.value);
    return this.#register(e);
  }

  #register(e: Expression): number {
    if (e.kind === 'local' && !e.local.isCaptured) return e.local.register;
    if (e.kind === 'paren' && !isMulti(e.inner)) return this.#register(e.inner);
    const register = this.#take(1);
    this.#expression(e, register);
    return register;
  }

  /** Calls and '...' with a wanted number of values (-1: open), from the next register on. */
  #multi(e: Expression, wanted: number): void {
    if (e.kind === 'vararg') {
      const first = wanted < 0 ? this.#free : this.#take(wanted);
      this.#emit(e.line, Op.VARARG, first, wanted, 0);
      return;
    }
    this.#call(e as CallExpression, this.#free, wanted);
  }

  #call(e: CallExpression, base: number, wanted: number, isTail = false): void {
    this.#take(1);
    let at = -1;
    if (e.kind === 'method') {
      this.#take(1);
      const free = this.#free;
      const object = this.#register(e.object);
      this.#free = free;
      at = this.#emit(e.line, Op.SELF, base, object, this.#constant(e.name));
      this.#name(at, 1, e.object);
    } else {
      this.#expression(e.callee, base);
    }
    const count = this.#list(e.args);
    const self = e.kind === 'method' ? 1 : 0;
    const args = count < 0 ? count - self : count + self;
    const call = this.#emit(e.line, isTail ? Op.TAILCALL : Op.CALL, base, args, wanted);
    if (e.kind === 'method') {
      this.prototype.names.set(call * NAMES_PER_INSTRUCTION, `method '${e.name}'`);
    } else {
      this.#name(call, 0, e.callee);
    }
    this.#free = base;
    if (wanted > 0) this.#take(wanted);
    this.#free = base;
  }

  #closure(body: FunctionBody, register: number): void {
    const inner = new FunctionCompiler(body, this.prototype.chunk);
    this.prototype.prototypes.push(inner.prototype);
    this.#emit(body.endLine, Op.CLOSURE, register, this.prototype.prototypes.length - 1, 0);
  }

  /** The value of an expression into a register. */
  #expression(e: Expression, to: number): void {
    const free = this.#free;
    const { line } = e;
    switch (e.kind) {
      case 'nil':
        this.#emit(line, Op.LOADNIL, to, to, 0);
        break;
      case 'true':
      case 'false':
        this.#emit(line, Op.LOADBOOL, to, e.kind === 'true' ? 1 : 0, 0);
        break;
      case 'number':
      case 'string':
        this.#emit(line, Op.LOADK, to, this.#constant(e.value), 0);
        break;
      case 'vararg':
        this.#emit(line, Op.VARARG, to, 1, 0);
        break;
      case 'local':
        if (e.local.isCaptured) this.#emit(line, Op.GETBOX, to, e.local.register, 0);
        else if (e.local.register !== to) this.#emit(line, Op.MOVE, to, e.local.register, 0);
        break;
      case 'upvalue':
        this.#emit(line, Op.GETUPVAL, to, e.index, 0);
        break;
      case 'global':
        this.#emit(line, Op.GETGLOBAL, to, this.#constant(e.name), 0);
        break;
      case 'index': {
        const object = this.#register(e.object);
        const key = this.#operand(e.key);
        this.#name(this.#emit(line, Op.GETTABLE, to, object, key), 1, e.object);
        break;
      }
      case 'call':
      case 'method':
        this.#call(e, this.#free, 1);
        if (this.#free !== to) this.#emit(line, Op.MOVE, to, this.#free, 0);
        break;
      case 'function':
        this.#closure(e.body, to);
        break;
      case 'paren':
        this.#expression(e.inner, to);
        break;
      case 'and':
      case 'or': {
        this.#expression(e.left, to);
        const skip = this.#emit(line, e.kind === 'and' ? Op.JMPIFNOT : Op.JMPIF, to, 0, 0);
        this.#expression(e.right, to);
        this.#patch([skip]);
        break;
      }
      case 'unary': {
        const operand = this.#register(e.operand);
        const op = e.op === '-' ? Op.UNM : e.op === '#' ? Op.LEN : Op.NOT;
        this.#name(this.#emit(line, op, to, operand, 0), 1, e.operand);
        break;
      }
      case 'binary':
        this.#binary(e, to);
        break;
      case 'table':
        this.#table(e, to);
        break;
    }
    this.#free = free;
  }

  #binary(e: Expression & { readonly kind: 'binary' }, to: number): void {
    const op = ARITHMETIC[e.op];
    if (op !== undefined) {
      const left = this.#operand(e.left);
      const right = this.#operand(e.right);
      const at = this.#emit(e.line, op, to, left, right);
      this.#name(at, 1, e.left);
      this.#name(at, 2, e.right);
    } else if (e.op === '..') {
      const parts: Expression[] = [e.left];
      let rest = e.right;
      while (rest.kind === 'binary' && rest.op === '..') {
        parts.push(rest.left);
        rest = rest.right;
      }
      parts.push(rest);
      const first = this.#free;
      for (const part of parts) this.#expression(part, this.#take(1));
      const at = this.#emit(e.line, Op.CONCAT, to, first, first + parts.length - 1);
      for (const [i, part] of parts.entries()) this.#name(at, i + 1, part);
    } else {
      const jumps = this.#compare(e, true);
      this.#emit(e.line, Op.LOADBOOL, to, 0, 0);
      const end = this.#emit(e.line, Op.JMP, 0, 0, 0);
      this.#patch(jumps);
      this.#emit(e.line, Op.LOADBOOL, to, 1, 0);
      this.#patch([end]);
    }
  }

  #table(e: Expression & { readonly kind: 'table' }, to: number): void {
    const table = this.#take(1);
    this.#emit(e.line, Op.NEWTABLE, table, 0, 0);
    let index = 1;
    let waiting = 0;
    for (const [i, { key, value }] of e.fields.entries()) {
      if (key !== null) {
        const free = this.#free;
        const k = this.#operand(key);
        this.#emit(e.line, Op.SETTABLE, table, k, this.#operand(value));
        this.#free = free;
        continue;
      }
      if (i === e.fields.length - 1 && isMulti(value)) {
        this.#multi(value, -1);
        this.#emit(e.line, Op.SETLIST, table, -1 - waiting, index);
        waiting = 0;
        break;
      }
      this.#expression(value, this.#take(1));
      if (++waiting < LIST_BATCH) continue;
      this.#emit(e.line, Op.SETLIST, table, waiting, index);
      index += waiting;
      waiting = 0;
      this.#free = table + 1;
    }
    if (waiting > 0) this.#emit(e.line, Op.SETLIST, table, waiting, index);
    if (table !== to) this.#emit(e.line, Op.MOVE, to, table, 0);
  }

  /** Jumps when the expression is not true. */
  #jumpUnless(e: Expression): number[] {
    return this.#jump(e, false);
  }

  #jump(e: Expression, when: boolean): number[] {
    const free = this.#free;
    const jumps = this.#jumpFrom(e, when);
    this.#free = free;
    return jumps;
  }

  #jumpFrom(e: Expression, when: boolean): number[] {
    switch (e.kind) {
      case 'true':
      case 'number':
      case 'string':
        return when ? [this.#emit(e.line, Op.JMP, 0, 0, 0)] : [];
      case 'false':
      case 'nil':
        return when ? [] : [this.#emit(e.line, Op.JMP, 0, 0, 0)];
      case 'paren':
        if (!isMulti(e.inner)) return this.#jump(e.inner, when);
        break;
      case 'unary':
        if (e.op === 'not') return this.#jump(e.operand, !when);
        break;
      case 'and':
      case 'or': {
        if ((e.kind === 'or') === when) return [...this.#jump(e.left, when), ...this.#jump(e.right, when)];
        const skip = this.#jump(e.left, !when);
        const jumps = this.#jump(e.right, when);
        this.#patch(skip);
        return jumps;
      }
      case 'binary':
        if (e.op in COMPARISONS) return this.#compare(e, when);
        break;
      default:
    }
    return [this.#emit(e.line, when ? Op.JMPIF : Op.JMPIFNOT, this.#register(e), 0, 0)];
  }

  #compare(e: Expression & { readonly kind: 'binary' }, when: boolean): number[] {
    const [yes, no, isSwapped] = COMPARISONS[e.op] as readonly [number, number, boolean];
    const left = this.#operand(e.left);
    const right = this.#operand(e.right);
    return [this.#emit(e.line, when ? yes : no, isSwapped ? right : left, isSwapped ? left : right, 0)];
  }
}

type CallExpression = Extract<Expression, { kind: 'call' | 'method' }>;

const ARITHMETIC: Readonly<Record<string, number>> = {
  '+': Op.ADD,
  '-': Op.SUB,
  '*': Op.MUL,
  '/': Op.DIV,
  '%': Op.MOD,
  '^': Op.POW,
};

/** Jump when so, jump when not so, operands change places. */
const COMPARISONS: Readonly<Record<string, readonly [number, number, boolean]>> = {
  '==': [Op.JEQ, Op.JNE, false],
  '~=': [Op.JNE, Op.JEQ, false],
  '<': [Op.JLT, Op.JNLT, false],
  '<=': [Op.JLE, Op.JNLE, false],
  '>': [Op.JLT, Op.JNLT, true],
  '>=': [Op.JLE, Op.JNLE, true],
};

function isMulti(e: Expression): boolean {
  return e.kind === 'call' || e.kind === 'method' || e.kind === 'vararg';
}

/** Whether the code of an expression reads everything before it writes its result. */
function writesLast({ kind }: Expression): boolean {
  return kind !== 'and' && kind !== 'or' && kind !== 'paren';
}

function describe(e: Expression): string | null {
  switch (e.kind) {
    case 'local':
      return `local '${e.local.name}'`;
    case 'upvalue':
      return `upvalue '${e.name}'`;
    case 'global':
      return `global '${e.name}'`;
    case 'index':
      return e.key.kind === 'string' ? `field '${e.key.value}'` : null;
    case 'method':
      return null;
    default:
      return null;
  }
}
