// Hosts with wildcards ('*', '*.example.com') and where things are visible: one meaning for everybody.

/** Whether every name that `host` stands for is one that `pattern` stands for. */
export function isHostWithin(host: string, pattern: string): boolean {
  if (pattern === '*') return true;
  if (!pattern.startsWith('*')) return host === pattern;
  const suffix = pattern.slice(1);
  return host.startsWith('*') ? host.slice(1).endsWith(suffix) : host.endsWith(suffix) && host.length > suffix.length;
}

/** Whether some name is one for both. */
export function hostsMeet(a: string, b: string): boolean {
  return isHostWithin(a, b) || isHostWithin(b, a);
}

/** Whether something of a namespace with this `exportTo` is visible in another one. */
export function isVisible(exportTo: ReadonlySet<string>, from: string, to: string): boolean {
  if (exportTo.has('~')) return false;
  return exportTo.has('*') || exportTo.has(to) || (from === to && exportTo.has('.'));
}

/** Istio's order of objects: the oldest first, then by name and namespace. */
export function byAge(
  a: { readonly creationMs: number; readonly name: string; readonly namespace: string },
  b: { readonly creationMs: number; readonly name: string; readonly namespace: string },
): number {
  if (a.creationMs !== b.creationMs) return a.creationMs - b.creationMs;
  const left = `${a.name}.${a.namespace}`;
  const right = `${b.name}.${b.namespace}`;
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Within a namespace: the oldest first, then by name. */
export function byCreation(
  a: { readonly creationMs: number; readonly name: string },
  b: { readonly creationMs: number; readonly name: string },
): number {
  if (a.creationMs !== b.creationMs) return a.creationMs - b.creationMs;
  return a.name < b.name ? -1 : Number(a.name > b.name);
}
