// Tokens → syntax tree: Lua 5.1 with what LuaJIT takes of 5.2 (goto, labels, empty statements).
import type { Block, Expression, FunctionBody, FunctionScope, Local, Statement } from './ast.ts';
import { Lexer } from './lexer.ts';

/** Depth of nested blocks, brackets and functions. */
const MAX_DEPTH = 180;
const BLOCK_ENDS = ['<eof>', 'end', 'else', 'elseif', 'until'];
const MAX_LOCALS = 200;
const MAX_UPVALUES = 60;
const UNARY_PRIORITY = 8;
/** Left and right priority; a greater left one binds to the right. */
const PRIORITIES: Readonly<Record<string, readonly [number, number]>> = {
  or: [1, 1],
  and: [2, 2],
  '<': [3, 3],
  '>': [3, 3],
  '<=': [3, 3],
  '>=': [3, 3],
  '~=': [3, 3],
  '==': [3, 3],
  '..': [5, 4],
  '+': [6, 6],
  '-': [6, 6],
  '*': [7, 7],
  '/': [7, 7],
  '%': [7, 7],
  '^': [10, 9],
};

type BlockScope = {
  readonly parent: BlockScope | null;
  readonly owner: FunctionScope;
  readonly locals: Local[];
  readonly isLoop: boolean;
};

/** Throws a LuaError whose value says where the text is no Lua. */
export function parse(source: string, chunk: string): FunctionBody {
  return new Parser(new Lexer(source, chunk)).chunk();
}

class Parser {
  readonly #lexer: Lexer;
  #block: BlockScope | null = null;
  #function: FunctionScope = { parent: null, isVararg: true, upvalues: [] };
  #depth = 0;
  /** Locals that are visible in the function. */
  #visible = 0;

  constructor(lexer: Lexer) {
    this.#lexer = lexer;
  }

  chunk(): FunctionBody {
    const block = this.#parseBlock([], false);
    if (this.#lexer.kind !== '<eof>') this.#expected('<eof>');
    return { scope: this.#function, parameters: [], block, line: 0, endLine: this.#lexer.line };
  }

  #expected(what: string): never {
    return this.#lexer.fail(`'${what}' expected`);
  }

  #accept(kind: string): boolean {
    if (this.#lexer.kind !== kind) return false;
    this.#lexer.next();
    return true;
  }

  #expect(kind: string): void {
    if (!this.#accept(kind)) this.#expected(kind);
  }

  /** The end of what began with `open` at `line`. */
  #close(kind: string, open: string, line: number): void {
    const lexer = this.#lexer;
    if (this.#accept(kind)) return;
    if (lexer.line === line) this.#expected(kind);
    lexer.fail(`'${kind}' expected (to close '${open}' at line ${line})`);
  }

  #name(): string {
    const { kind, text } = this.#lexer;
    if (kind !== 'name') return this.#expected('<name>');
    this.#lexer.next();
    return text;
  }

  #enter(): void {
    if (++this.#depth > MAX_DEPTH) this.#lexer.fail('chunk has too many syntax levels', null);
  }

  #leave(): void {
    this.#depth--;
  }

  #declare(name: string): Local {
    const block = this.#block as BlockScope;
    const local: Local = { name, owner: this.#function, isCaptured: false, register: -1 };
    if (++this.#visible > MAX_LOCALS) this.#lexer.fail('too many local variables (limit is 200)', null);
    block.locals.push(local);
    return local;
  }

  #newLocal(name: string): Local {
    return { name, owner: this.#function, isCaptured: false, register: -1 };
  }

  #show(locals: readonly Local[]): void {
    const block = this.#block as BlockScope;
    this.#visible += locals.length;
    if (this.#visible > MAX_LOCALS) this.#lexer.fail('too many local variables (limit is 200)', null);
    block.locals.push(...locals);
  }

  #parseBlock(locals: readonly Local[], isLoop: boolean): Block {
    const scope: BlockScope = { parent: this.#block, owner: this.#function, locals: [], isLoop };
    this.#block = scope;
    this.#show(locals);
    this.#enter();
    const block = this.#statements();
    this.#leave();
    this.#visible -= scope.locals.length;
    this.#block = scope.parent;
    return block;
  }

  #statements(): Block {
    const statements: Statement[] = [];
    const lexer = this.#lexer;
    for (;;) {
      while (this.#accept(';'));
      if (BLOCK_ENDS.includes(lexer.kind)) break;
      if (lexer.kind === 'return') {
        statements.push(this.#return());
        break;
      }
      const statement = this.#statement();
      if (statement !== null) statements.push(statement);
    }
    return { statements, endLine: lexer.line };
  }

  #return(): Statement {
    const lexer = this.#lexer;
    const { line } = lexer;
    lexer.next();
    const isEmpty = lexer.kind === ';' || BLOCK_ENDS.includes(lexer.kind);
    const values = isEmpty ? [] : this.#expressions();
    this.#accept(';');
    return { kind: 'return', values, line };
  }

  #statement(): Statement | null {
    const lexer = this.#lexer;
    const { line } = lexer;
    switch (lexer.kind) {
      case 'if':
        return this.#if(line);
      case 'while': {
        lexer.next();
        const condition = this.#expression();
        this.#expect('do');
        const block = this.#parseBlock([], true);
        this.#close('end', 'while', line);
        return { kind: 'while', condition, block, line };
      }
      case 'do': {
        lexer.next();
        const block = this.#parseBlock([], false);
        this.#close('end', 'do', line);
        return { kind: 'do', block, line };
      }
      case 'for':
        return this.#for(line);
      case 'repeat':
        return this.#repeat(line);
      case 'function':
        return this.#functionStatement(line);
      case 'local':
        lexer.next();
        return this.#accept('function') ? this.#localFunction(line) : this.#local(line);
      case 'break':
        lexer.next();
        if (!this.#isInLoop()) lexer.fail('no loop to break', null);
        return { kind: 'break', line };
      case 'goto':
        lexer.next();
        return { kind: 'goto', label: this.#name(), line };
      case '::': {
        lexer.next();
        const label = this.#name();
        this.#expect('::');
        return { kind: 'label', label, line };
      }
      default:
        return this.#expressionStatement(line);
    }
  }

  #isInLoop(): boolean {
    for (let block = this.#block; block !== null && block.owner === this.#function; block = block.parent) {
      if (block.isLoop) return true;
    }
    return false;
  }

  #if(line: number): Statement {
    const branches: { condition: Expression; block: Block }[] = [];
    let otherwise: Block | null = null;
    do {
      this.#lexer.next();
      const condition = this.#expression();
      this.#expect('then');
      branches.push({ condition, block: this.#parseBlock([], false) });
    } while (this.#lexer.kind === 'elseif');
    if (this.#accept('else')) otherwise = this.#parseBlock([], false);
    this.#close('end', 'if', line);
    return { kind: 'if', branches, otherwise, line };
  }

  #for(line: number): Statement {
    const lexer = this.#lexer;
    lexer.next();
    const first = this.#name();
    if (lexer.kind === '=') {
      lexer.next();
      const start = this.#expression();
      this.#expect(',');
      const limit = this.#expression();
      const step = this.#accept(',') ? this.#expression() : null;
      this.#expect('do');
      const variable = this.#newLocal(first);
      const block = this.#parseBlock([variable], true);
      this.#close('end', 'for', line);
      return { kind: 'numericFor', variable, start, limit, step, block, line };
    }
    if (lexer.kind !== ',' && lexer.kind !== 'in') lexer.fail("'=' or 'in' expected");
    const names = [first];
    while (this.#accept(',')) names.push(this.#name());
    this.#expect('in');
    const values = this.#expressions();
    this.#expect('do');
    const variables = names.map((name) => this.#newLocal(name));
    const block = this.#parseBlock(variables, true);
    this.#close('end', 'for', line);
    return { kind: 'genericFor', variables, values, block, line };
  }

  #repeat(line: number): Statement {
    this.#lexer.next();
    // The condition sees the block's locals.
    const scope: BlockScope = { parent: this.#block, owner: this.#function, locals: [], isLoop: true };
    this.#block = scope;
    this.#enter();
    const block = this.#statements();
    this.#close('until', 'repeat', line);
    const condition = this.#expression();
    this.#leave();
    this.#visible -= scope.locals.length;
    this.#block = scope.parent;
    return { kind: 'repeat', block, condition, line };
  }

  #functionStatement(line: number): Statement {
    const lexer = this.#lexer;
    lexer.next();
    let target = this.#resolve(this.#name(), line);
    let isMethod = false;
    while (lexer.kind === '.' || lexer.kind === ':') {
      isMethod = lexer.kind === ':';
      lexer.next();
      target = { kind: 'index', object: target, key: { kind: 'string', value: this.#name(), line }, line };
      if (isMethod) break;
    }
    const body = this.#functionBody(isMethod, line);
    return { kind: 'assign', targets: [target], values: [{ kind: 'function', body, line }], line };
  }

  #localFunction(line: number): Statement {
    const local = this.#declare(this.#name());
    return { kind: 'localFunction', local, body: this.#functionBody(false, line), line };
  }

  #local(line: number): Statement {
    const names = [this.#name()];
    while (this.#accept(',')) names.push(this.#name());
    const values = this.#accept('=') ? this.#expressions() : [];
    const locals = names.map((name) => this.#newLocal(name));
    this.#show(locals);
    return { kind: 'local', locals, values, line };
  }

  #expressionStatement(line: number): Statement {
    const lexer = this.#lexer;
    const first = this.#suffixed();
    if (lexer.kind !== '=' && lexer.kind !== ',') {
      if (first.kind === 'paren') lexer.fail('syntax error');
      if (first.kind !== 'call' && first.kind !== 'method') lexer.fail("'=' expected");
      return { kind: 'call', call: first, line };
    }
    if (first.kind === 'call' || first.kind === 'method') lexer.fail('unexpected symbol');
    const targets = [first];
    while (this.#accept(',')) targets.push(this.#suffixed());
    for (const { kind } of targets) {
      if (kind !== 'local' && kind !== 'upvalue' && kind !== 'global' && kind !== 'index') {
        lexer.fail('syntax error');
      }
    }
    this.#expect('=');
    return { kind: 'assign', targets, values: this.#expressions(), line };
  }

  #expressions(): Expression[] {
    const list = [this.#expression()];
    while (this.#accept(',')) list.push(this.#expression());
    return list;
  }

  #expression(limit = 0): Expression {
    const lexer = this.#lexer;
    this.#enter();
    const { line, kind } = lexer;
    let left: Expression;
    if (kind === 'not' || kind === '-' || kind === '#') {
      lexer.next();
      const operand = this.#expression(UNARY_PRIORITY);
      left =
        kind === '-' && operand.kind === 'number'
          ? { kind: 'number', value: -operand.value, line }
          : { kind: 'unary', op: kind, operand, line };
    } else {
      left = this.#simple();
    }
    for (;;) {
      const op = lexer.kind;
      const priority = PRIORITIES[op];
      if (priority === undefined || priority[0] <= limit) break;
      const at = lexer.line;
      lexer.next();
      const right = this.#expression(priority[1]);
      if (op === 'and' || op === 'or') left = { kind: op, left, right, line: at };
      else left = { kind: 'binary', op, left, right, line: at };
    }
    this.#leave();
    return left;
  }

  #simple(): Expression {
    const lexer = this.#lexer;
    const { line, text, number } = lexer;
    switch (lexer.kind) {
      case 'number':
        lexer.next();
        return { kind: 'number', value: number, line };
      case 'string':
        lexer.next();
        return { kind: 'string', value: text, line };
      case 'nil':
      case 'true':
      case 'false': {
        const { kind } = lexer;
        lexer.next();
        return { kind, line };
      }
      case '...':
        if (!this.#function.isVararg) lexer.fail("cannot use '...' outside a vararg function");
        lexer.next();
        return { kind: 'vararg', line };
      case '{':
        return this.#table(line);
      case 'function':
        lexer.next();
        return { kind: 'function', body: this.#functionBody(false, line), line };
      default:
        return this.#suffixed();
    }
  }

  #suffixed(): Expression {
    const lexer = this.#lexer;
    const { line } = lexer;
    let e: Expression;
    if (lexer.kind === 'name') {
      e = this.#resolve(this.#name(), line);
    } else if (lexer.kind === '(') {
      lexer.next();
      const inner = this.#expression();
      this.#close(')', '(', line);
      e = { kind: 'paren', inner, line };
    } else {
      return lexer.fail('unexpected symbol');
    }
    for (;;) {
      const at = lexer.line;
      const kind: string = lexer.kind;
      switch (kind) {
        case '.':
          lexer.next();
          e = { kind: 'index', object: e, key: { kind: 'string', value: this.#name(), line: at }, line: at };
          break;
        case '[': {
          lexer.next();
          const key = this.#expression();
          this.#expect(']');
          e = { kind: 'index', object: e, key, line: at };
          break;
        }
        case ':': {
          lexer.next();
          const name = this.#name();
          e = { kind: 'method', object: e, name, args: this.#arguments(), line: at };
          break;
        }
        case '(':
        case 'string':
        case '{':
          e = { kind: 'call', callee: e, args: this.#arguments(), line: at };
          break;
        default:
          return e;
      }
    }
  }

  #arguments(): Expression[] {
    const lexer = this.#lexer;
    const { line, text } = lexer;
    if (lexer.kind === 'string') {
      lexer.next();
      return [{ kind: 'string', value: text, line }];
    }
    if (lexer.kind === '{') return [this.#table(line)];
    if (!this.#accept('(')) return lexer.fail('function arguments expected');
    if (this.#accept(')')) return [];
    const args = this.#expressions();
    this.#close(')', '(', line);
    return args;
  }

  #table(line: number): Expression {
    const lexer = this.#lexer;
    const fields: { key: Expression | null; value: Expression }[] = [];
    this.#expect('{');
    while (lexer.kind !== '}') {
      if (lexer.kind === '[') {
        lexer.next();
        const key = this.#expression();
        this.#expect(']');
        this.#expect('=');
        fields.push({ key, value: this.#expression() });
      } else if (lexer.kind === 'name' && lexer.peek() === '=') {
        const key: Expression = { kind: 'string', value: this.#name(), line: lexer.lastLine };
        lexer.next();
        fields.push({ key, value: this.#expression() });
      } else {
        fields.push({ key: null, value: this.#expression() });
      }
      if (!this.#accept(',') && !this.#accept(';')) break;
    }
    this.#close('}', '{', line);
    return { kind: 'table', fields, line };
  }

  #functionBody(isMethod: boolean, line: number): FunctionBody {
    const lexer = this.#lexer;
    const outer = { fn: this.#function, visible: this.#visible };
    this.#expect('(');
    const names = isMethod ? ['self'] : [];
    let isVararg = false;
    if (lexer.kind !== ')') {
      do {
        if (this.#accept('...')) {
          isVararg = true;
          break;
        }
        if (lexer.kind !== 'name') lexer.fail("<name> or '...' expected");
        names.push(this.#name());
      } while (this.#accept(','));
    }
    this.#expect(')');
    const scope: FunctionScope = { parent: outer.fn, isVararg, upvalues: [] };
    this.#function = scope;
    this.#visible = 0;
    const parameters = names.map((name) => this.#newLocal(name));
    const block = this.#parseBlock(parameters, false);
    const endLine = lexer.line;
    this.#close('end', 'function', line);
    this.#function = outer.fn;
    this.#visible = outer.visible;
    return { scope, parameters, block, line, endLine };
  }

  #resolve(name: string, line: number): Expression {
    for (let block = this.#block; block !== null; block = block.parent) {
      for (let i = block.locals.length - 1; i >= 0; i--) {
        const local = block.locals[i] as Local;
        if (local.name !== name) continue;
        if (local.owner === this.#function) return { kind: 'local', local, line };
        local.isCaptured = true;
        return { kind: 'upvalue', index: this.#upvalue(this.#function, local), name, line };
      }
    }
    return { kind: 'global', name, line };
  }

  #upvalue(scope: FunctionScope, local: Local): number {
    const known = scope.upvalues.findIndex((upvalue) => upvalue.local === local);
    if (known >= 0) return known;
    const parent = scope.parent as FunctionScope;
    const fromParentUpvalue = parent === local.owner ? -1 : this.#upvalue(parent, local);
    if (scope.upvalues.length >= MAX_UPVALUES) this.#lexer.fail('too many upvalues (limit is 60)', null);
    scope.upvalues.push({ local, fromParentUpvalue });
    return scope.upvalues.length - 1;
  }
}
