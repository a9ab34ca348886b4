// Expressions as the trees that configurations hold (google.api.expr.v1alpha1.Expr), for tables of cases.
import { parseExpression, type Node } from '../../../src/base/cel/syntax.ts';
import { Double, Uint } from '../../../src/base/cel/values.ts';
import type { Fields } from '../config.ts';

/** The tree of an expression, as JSON. */
export function treeOf(text: string): Fields {
  return exprOf(parseExpression(text));
}

function exprOf(node: Node): Fields {
  switch (node.kind) {
    case 'constant':
      return { const_expr: constantOf(node.value) };
    case 'name':
      return { ident_expr: { name: node.name } };
    case 'select':
      return { select_expr: { operand: exprOf(node.of), field: node.field } };
    case 'index':
      return call('_[_]', [node.of, node.at]);
    case 'list':
      return { list_expr: { elements: node.items.map(exprOf) } };
    case 'map':
      return {
        struct_expr: { entries: node.entries.map(([key, value]) => ({ map_key: exprOf(key), value: exprOf(value) })) },
      };
    case 'call':
      return callOf(node);
  }
}

function callOf({ name, target, args }: Node & { kind: 'call' }): Fields {
  const [first] = args;
  if (name === 'has' && first?.kind === 'select') {
    return { select_expr: { operand: exprOf(first.of), field: first.field, test_only: true } };
  }
  if (target !== null) return { call_expr: { target: exprOf(target), function: name, args: args.map(exprOf) } };
  if (name === '&&' || name === '||') {
    return args.map(exprOf).reduce((left, right) => ({ call_expr: { function: `_${name}_`, args: [left, right] } }));
  }
  if (name === '?:') return call('_?_:_', args);
  if (name === '!') return call('!_', args);
  if (name === 'negate') return call('-_', args);
  if (name === 'in') return call('@in', args);
  return /^\w+$/.test(name) ? call(name, args) : call(`_${name}_`, args);
}

function call(name: string, args: readonly Node[]): Fields {
  return { call_expr: { function: name, args: args.map(exprOf) } };
}

function constantOf(value: unknown): Fields {
  if (value === null) return { null_value: 'NULL_VALUE' };
  if (typeof value === 'boolean') return { bool_value: value };
  if (typeof value === 'string') return { string_value: value };
  if (typeof value === 'bigint') return { int64_value: String(value) };
  if (value instanceof Uint) return { uint64_value: String(value.value) };
  if (value instanceof Double) return { double_value: value.value };
  if (value instanceof Uint8Array) return { bytes_value: Buffer.from(value).toString('base64') };
  return Number.isInteger(value) ? { int64_value: String(value) } : { double_value: value };
}
