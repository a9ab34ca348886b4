// The syntax tree of a Lua chunk, names resolved.

/** A local variable. */
export type Local = {
  readonly name: string;
  readonly owner: FunctionScope;
  /** Inner functions use it: it lives in a box. */
  isCaptured: boolean;
  register: number;
};

/** Upvalues of a function, found while it is parsed. */
export type FunctionScope = {
  readonly parent: FunctionScope | null;
  readonly isVararg: boolean;
  readonly upvalues: { readonly local: Local; readonly fromParentUpvalue: number }[];
};

export type Expression =
  | { readonly kind: 'nil' | 'true' | 'false' | 'vararg'; readonly line: number }
  | { readonly kind: 'number'; readonly value: number; readonly line: number }
  | { readonly kind: 'string'; readonly value: string; readonly line: number }
  | { readonly kind: 'local'; readonly local: Local; readonly line: number }
  | { readonly kind: 'upvalue'; readonly index: number; readonly name: string; readonly line: number }
  | { readonly kind: 'global'; readonly name: string; readonly line: number }
  | { readonly kind: 'index'; readonly object: Expression; readonly key: Expression; readonly line: number }
  | { readonly kind: 'call'; readonly callee: Expression; readonly args: readonly Expression[]; readonly line: number }
  | {
      readonly kind: 'method';
      readonly object: Expression;
      readonly name: string;
      readonly args: readonly Expression[];
      readonly line: number;
    }
  | { readonly kind: 'function'; readonly body: FunctionBody; readonly line: number }
  | {
      readonly kind: 'binary';
      readonly op: string;
      readonly left: Expression;
      readonly right: Expression;
      readonly line: number;
    }
  | { readonly kind: 'unary'; readonly op: string; readonly operand: Expression; readonly line: number }
  | {
      readonly kind: 'and' | 'or';
      readonly left: Expression;
      readonly right: Expression;
      readonly line: number;
    }
  | { readonly kind: 'paren'; readonly inner: Expression; readonly line: number }
  | {
      readonly kind: 'table';
      /** `key` null: the next of the list. */
      readonly fields: readonly { readonly key: Expression | null; readonly value: Expression }[];
      readonly line: number;
    };

export type Block = {
  readonly statements: Statement[];
  /** Line of its end. */
  endLine: number;
};

export type FunctionBody = {
  readonly scope: FunctionScope;
  readonly parameters: Local[];
  readonly block: Block;
  readonly line: number;
  readonly endLine: number;
};

export type Statement =
  | { readonly kind: 'local'; readonly locals: Local[]; readonly values: Expression[]; readonly line: number }
  | { readonly kind: 'localFunction'; readonly local: Local; readonly body: FunctionBody; readonly line: number }
  | { readonly kind: 'assign'; readonly targets: Expression[]; readonly values: Expression[]; readonly line: number }
  | { readonly kind: 'call'; readonly call: Expression; readonly line: number }
  | { readonly kind: 'do'; readonly block: Block; readonly line: number }
  | { readonly kind: 'while'; readonly condition: Expression; readonly block: Block; readonly line: number }
  | { readonly kind: 'repeat'; readonly block: Block; readonly condition: Expression; readonly line: number }
  | {
      readonly kind: 'if';
      readonly branches: { readonly condition: Expression; readonly block: Block }[];
      readonly otherwise: Block | null;
      readonly line: number;
    }
  | {
      readonly kind: 'numericFor';
      readonly variable: Local;
      readonly start: Expression;
      readonly limit: Expression;
      readonly step: Expression | null;
      readonly block: Block;
      readonly line: number;
    }
  | {
      readonly kind: 'genericFor';
      readonly variables: Local[];
      readonly values: Expression[];
      readonly block: Block;
      readonly line: number;
    }
  | { readonly kind: 'return'; readonly values: Expression[]; readonly line: number }
  | { readonly kind: 'break'; readonly line: number }
  | { readonly kind: 'goto'; readonly label: string; readonly line: number }
  | { readonly kind: 'label'; readonly label: string; readonly line: number };
