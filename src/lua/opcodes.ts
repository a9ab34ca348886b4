// The machine's instructions: four numbers each (operation, a, b, c). A negative operand is a constant, ~operand.
export const Op = {
  /** r[a] = r[b] */
  MOVE: 0,
  /** r[a] = constant ~b */
  LOADK: 1,
  /** r[a] … r[b] = nil */
  LOADNIL: 2,
  /** r[a] = b === 1 */
  LOADBOOL: 3,
  /** r[a] = upvalue b */
  GETUPVAL: 4,
  /** upvalue b = rk[a] */
  SETUPVAL: 5,
  /** r[a] = global ~b */
  GETGLOBAL: 6,
  /** global ~b = rk[a] */
  SETGLOBAL: 7,
  /** r[a] = r[b][rk[c]] */
  GETTABLE: 8,
  /** r[a][rk[b]] = rk[c] */
  SETTABLE: 9,
  NEWTABLE: 10,
  /** r[a+1] = r[b]; r[a] = r[b][constant ~c] */
  SELF: 11,
  ADD: 12,
  SUB: 13,
  MUL: 14,
  DIV: 15,
  MOD: 16,
  POW: 17,
  UNM: 18,
  NOT: 19,
  LEN: 20,
  /** r[a] = r[b] .. … .. r[c] */
  CONCAT: 21,
  /** to a */
  JMP: 22,
  /** to b when r[a] is true, or is not */
  JMPIF: 23,
  JMPIFNOT: 24,
  /** to c when rk[a] and rk[b] compare so, or not so */
  JEQ: 25,
  JNE: 26,
  JLT: 27,
  JNLT: 28,
  JLE: 29,
  JNLE: 30,
  /** r[a](r[a+1] … b of them, -1 with what is open) → c results, -1 open, at r[a] */
  CALL: 31,
  TAILCALL: 32,
  /** b values from r[a], -1 with what is open */
  RETURN: 33,
  /** checks r[a], r[a+1], r[a+2] and goes to b */
  FORPREP: 34,
  /** steps r[a] and goes to b with r[a+3] = r[a], unless it is over */
  FORLOOP: 35,
  /** r[a+3] … c of them = r[a](r[a+1], r[a+2]) */
  TFORCALL: 36,
  /** r[a+3] nil: goes on; else r[a+2] = r[a+3] and to b */
  TFORLOOP: 37,
  /** r[a][c], r[a][c+1] … = r[a+1] …, b of them, -1 with what is open */
  SETLIST: 38,
  /** r[a] = function of prototype b */
  CLOSURE: 39,
  /** r[a] … = '...', b of them, -1 open */
  VARARG: 40,
  /** r[a] = a new box of r[b] */
  NEWBOX: 41,
  /** r[a] = value in the box r[b] */
  GETBOX: 42,
  /** box r[a] = rk[b] */
  SETBOX: 43,
} as const;

export type Prototype = {
  readonly chunk: string;
  /** Line where it begins; 0 for the main chunk. */
  readonly line: number;
  code: Int32Array;
  /** Of each instruction. */
  lines: Int32Array;
  readonly constants: (string | number)[];
  readonly prototypes: Prototype[];
  /** Where an inner function takes its upvalues: registers (≥ 0) or upvalues (~n) of the outer one. */
  readonly upvalues: number[];
  readonly upvalueNames: string[];
  /** What an instruction's operand is called in messages: "local 'x'". By number of the instruction. */
  readonly names: Map<number, string>;
  parameters: number;
  /** Registers of parameters that are boxed at the start. */
  readonly boxedParameters: number[];
  isVararg: boolean;
  registers: number;
};
