// The tree of a parsed expression (google.api.expr.v1alpha1.Expr) as a tree of this language.
import { ExpressionError, type Node } from '../../base/cel/syntax.ts';
import { canonical, double, Uint, type Value } from '../../base/cel/values.ts';

type ConstantPb = {
  readonly null_value?: unknown;
  readonly bool_value?: boolean;
  readonly int64_value?: number | bigint;
  readonly uint64_value?: number | bigint;
  readonly double_value?: number;
  readonly string_value?: string;
  readonly bytes_value?: Uint8Array;
  readonly duration_value?: unknown;
  readonly timestamp_value?: unknown;
};
type EntryPb = { readonly field_key?: string; readonly map_key?: ExprPb; readonly value?: ExprPb };
export type ExprPb = {
  readonly const_expr?: ConstantPb;
  readonly ident_expr?: { readonly name?: string };
  readonly select_expr?: { readonly operand?: ExprPb; readonly field?: string; readonly test_only?: boolean };
  readonly call_expr?: { readonly target?: ExprPb; readonly function?: string; readonly args?: readonly ExprPb[] };
  readonly list_expr?: { readonly elements?: readonly ExprPb[] };
  readonly struct_expr?: { readonly message_name?: string; readonly entries?: readonly EntryPb[] };
  readonly comprehension_expr?: object;
};

const API = 'google.api.expr.v1alpha1';

const EXPR: Readonly<Record<string, string>> = {
  Expr: 'id const_expr ident_expr select_expr call_expr list_expr struct_expr comprehension_expr',
  Constant: 'null_value bool_value int64_value uint64_value double_value string_value bytes_value',
  'Expr.Ident': 'name',
  'Expr.Select': 'operand field test_only',
  'Expr.Call': 'target function args',
  'Expr.CreateList': 'elements',
  'Expr.CreateStruct': 'message_name entries',
  'Expr.CreateStruct.Entry': 'id map_key value',
  'Expr.Comprehension': '**',
};

/** Fields that take effect, per message. Refused: constants that are times, optional elements, messages. */
export const EXPR_FIELDS: Readonly<Record<string, string>> = Object.fromEntries(
  [API, 'cel.expr'].flatMap((name) => Object.entries(EXPR).map(([type, fields]) => [`${name}.${type}`, fields])),
);

/** What stands around a tree. That it was checked, and where it stood in a text, change nothing. */
export const TREE_FIELDS = Object.fromEntries(
  [API, 'cel.expr'].flatMap((name) => [
    [`${name}.ParsedExpr`, 'expr source_info'],
    [`${name}.CheckedExpr`, 'expr reference_map type_map source_info expr_version'],
    [`${name}.SourceInfo`, '**'],
    [`${name}.Reference`, '**'],
    [`${name}.Type`, '**'],
  ]),
);

const OPERATORS: ReadonlyMap<string, string> = new Map([
  ...['&&', '||', '==', '!=', '<', '<=', '>', '>=', '+', '-', '*', '/', '%'].map(
    (sign) => [`_${sign}_`, sign] as const,
  ),
  ...([
    ['!_', '!'],
    ['-_', 'negate'],
    ['_?_:_', '?:'],
    ['@in', 'in'],
    ['_in_', 'in'],
    ['in', 'in'],
  ] as const),
]);

const MAX_DEPTH = 200;

/** Throws an ExpressionError. */
export function nodeOfExpr(tree: ExprPb | undefined, depth = 0): Node {
  if (depth > MAX_DEPTH) throw new ExpressionError('it is nested too deep');
  const inner = (child: ExprPb | undefined): Node => nodeOfExpr(child, depth + 1);
  if (tree?.const_expr !== undefined) return { kind: 'constant', value: constantOf(tree.const_expr) };
  if (tree?.ident_expr !== undefined) return { kind: 'name', name: (tree.ident_expr.name ?? '').replace(/^\./, '') };
  if (tree?.select_expr !== undefined) {
    const { operand, field = '', test_only = false } = tree.select_expr;
    const node: Node = { kind: 'select', of: inner(operand), field, isOptional: false };
    return test_only ? { kind: 'call', name: 'has', target: null, args: [node] } : node;
  }
  if (tree?.call_expr !== undefined) return callOf(tree.call_expr, inner);
  if (tree?.list_expr !== undefined) return { kind: 'list', items: (tree.list_expr.elements ?? []).map(inner) };
  if (tree?.struct_expr !== undefined) {
    const { message_name: name = '', entries = [] } = tree.struct_expr;
    if (name !== '') throw new ExpressionError(`messages (${name}) are not supported`);
    return { kind: 'map', entries: entries.map(({ map_key, value }) => [inner(map_key), inner(value)] as const) };
  }
  if (tree?.comprehension_expr !== undefined) throw new ExpressionError('Comprehension support is disabled');
  throw new ExpressionError('an expression is empty');
}

function callOf(call: NonNullable<ExprPb['call_expr']>, inner: (child: ExprPb | undefined) => Node): Node {
  const { target, function: name = '', args = [] } = call;
  const nodes = args.map(inner);
  if (name === '_[_]' && nodes.length === 2) {
    return { kind: 'index', of: nodes[0] as Node, at: nodes[1] as Node, isOptional: false };
  }
  return {
    kind: 'call',
    name: OPERATORS.get(name) ?? name,
    target: target === undefined ? null : inner(target),
    args: nodes,
  };
}

function constantOf(constant: ConstantPb): Value {
  if (constant.bool_value !== undefined) return constant.bool_value;
  if (constant.int64_value !== undefined) return canonical(BigInt(constant.int64_value));
  if (constant.uint64_value !== undefined) return new Uint(canonical(BigInt(constant.uint64_value)));
  if (constant.double_value !== undefined) return double(constant.double_value);
  if (constant.string_value !== undefined) return constant.string_value;
  if (constant.bytes_value !== undefined) return constant.bytes_value;
  if (constant.duration_value !== undefined || constant.timestamp_value !== undefined) {
    throw new ExpressionError('constants that are times are not supported: use duration() and timestamp()');
  }
  return null;
}
