// Delegation: a route of one VirtualService stands for the routes of another, each narrowed by the first one's matches.
import type { HttpMatchSpec, HttpRouteSpec, StringMatchSpec } from './virtual-service-spec.ts';

/** The delegate's route as it holds below the root's; null when no request can come that far. */
export function mergeDelegated(root: HttpRouteSpec, leaf: HttpRouteSpec): HttpRouteSpec | null {
  const match = mergeMatches(root.match ?? [], leaf.match ?? []);
  if (match === null) return null;
  const { delegate: _, ...inherited } = root;
  const merged: HttpRouteSpec = { ...inherited, ...leaf, match };
  const name = [root.name, leaf.name].filter((part) => part !== undefined && part !== '').join('-');
  return name === '' ? merged : { ...merged, name };
}

/** Null: what the delegate asks for contradicts what the root lets through. */
function mergeMatches(
  roots: readonly HttpMatchSpec[],
  leaves: readonly HttpMatchSpec[],
): readonly HttpMatchSpec[] | null {
  if (roots.length === 0) return leaves;
  if (leaves.length === 0) return roots;
  const merged: HttpMatchSpec[] = [];
  for (const leaf of leaves) {
    const parents = roots.filter((root) => !contradicts(root, leaf));
    if (parents.length === 0) return null;
    merged.push(...parents.map((root) => mergeMatch(root, leaf)));
  }
  return merged;
}

/** Whose labels, namespaces and gateways they are for is the root's alone to say. */
function mergeMatch(root: HttpMatchSpec, leaf: HttpMatchSpec): HttpMatchSpec {
  const name = [root.name, leaf.name].filter((part) => part !== undefined && part !== '').join('-');
  const port = leaf.port === undefined || leaf.port === 0 ? root.port : leaf.port;
  return {
    ...root,
    ...leaf,
    ...(name === '' ? {} : { name }),
    ...(port === undefined ? {} : { port }),
    headers: { ...root.headers, ...leaf.headers },
    withoutHeaders: { ...root.withoutHeaders, ...leaf.withoutHeaders },
    queryParams: { ...root.queryParams, ...leaf.queryParams },
  };
}

function contradicts(root: HttpMatchSpec, leaf: HttpMatchSpec): boolean {
  if (contradictsText(root.uri, leaf.uri) || contradictsText(root.scheme, leaf.scheme)) return true;
  if (contradictsText(root.method, leaf.method) || contradictsText(root.authority, leaf.authority)) return true;
  if (contradictsSome(root.headers, leaf.headers) || contradictsSome(root.headers, leaf.withoutHeaders)) return true;
  if (contradictsSome(root.queryParams, leaf.queryParams)) return true;
  if ((root.ignoreUriCase ?? false) !== (leaf.ignoreUriCase ?? false)) return true;
  const [rootPort = 0, leafPort = 0] = [root.port, leaf.port];
  return rootPort > 0 && leafPort > 0 && rootPort !== leafPort;
}

function contradictsSome(
  roots: Record<string, StringMatchSpec> | undefined,
  leaves: Record<string, StringMatchSpec> | undefined,
): boolean {
  return Object.entries(leaves ?? {}).some(([name, leaf]) => contradictsText(roots?.[name], leaf));
}

/** Whether the leaf can take something that the root does not; expressions are not compared. */
function contradictsText(root: StringMatchSpec | undefined, leaf: StringMatchSpec | undefined): boolean {
  if (root === undefined || leaf === undefined) return false;
  const [rootText, leafText] = [textOf(root), textOf(leaf)];
  if (root.regex !== undefined) return leafText !== '';
  if (leaf.regex !== undefined) return rootText !== '';
  if (root.exact !== undefined) return leaf.exact !== root.exact;
  return root.prefix === undefined || !leafText.startsWith(root.prefix);
}

function textOf(match: StringMatchSpec): string {
  return match.exact ?? match.prefix ?? match.regex ?? '';
}
