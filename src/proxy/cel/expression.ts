// Expressions that configurations of Envoy hold, compiled: as texts, or as trees.
import { compileExpression, compileTree, type Expression } from '../../base/cel/compile.ts';
import { ExpressionError } from '../../base/cel/syntax.ts';
import type { LocalNode } from '../istio/node.ts';
import type { AttributeSource } from './attributes.ts';
import { type CelConfigPb, envoyDialect } from './dialect.ts';
import { type CelNode, nodeMessage } from './node-message.ts';
import { type ExprPb, nodeOfExpr } from './tree.ts';

export type CelExpression = Expression<AttributeSource>;

/** What expressions need of the decoder's environment. */
export type CelEnvironment = { readonly localNode?: LocalNode };

const nodes = new WeakMap<LocalNode, CelNode>();

/** Null: expressions do not know of the node here. */
function celNodeOf({ localNode }: CelEnvironment): CelNode | null {
  if (localNode === undefined) return null;
  const known = nodes.get(localNode);
  if (known !== undefined) return known;
  const made = nodeMessage(localNode);
  nodes.set(localNode, made);
  return made;
}

/** A text says why it cannot be compiled. */
export function compileCel(text: string, config: CelConfigPb, environment: CelEnvironment): CelExpression | string {
  return reasonOr(() => compileExpression(text, envoyDialect(config, celNodeOf(environment))), 'parse');
}

/** The same of a google.api.expr.v1alpha1.Expr. `hasNode`: whether `xds.node` is known where it stands. */
export function compileCelTree(
  tree: ExprPb,
  config: CelConfigPb,
  environment: CelEnvironment | null,
): CelExpression | string {
  const node = environment === null ? null : celNodeOf(environment);
  return reasonOr(() => compileTree(nodeOfExpr(tree), envoyDialect(config, node)), 'compile');
}

function reasonOr(compile: () => CelExpression, verb: string): CelExpression | string {
  try {
    return compile();
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return `Not able to ${verb} expression: ${error.message}`;
  }
}
