// Compares two observations and names every place where they differ.

export type Difference = { readonly path: string; readonly envoy: unknown; readonly heddle: unknown };

const LONG_LIST = 8;

export function compare(envoy: unknown, heddle: unknown, path = ''): Difference[] {
  if (Object.is(envoy, heddle)) return [];
  if (Array.isArray(envoy) && Array.isArray(heddle)) return compareLists(envoy, heddle, path);
  if (isRecord(envoy) && isRecord(heddle)) {
    const keys = new Set([...Object.keys(envoy), ...Object.keys(heddle)]);
    return [...keys].flatMap((key) => compare(envoy[key], heddle[key], path === '' ? key : `${path}.${key}`));
  }
  return [{ path, envoy, heddle }];
}

export function describeDifferences(differences: readonly Difference[], otherName: string): string {
  return differences
    .map(({ path, envoy, heddle }) => `  ${path}\n    envoy:  ${show(envoy)}\n    ${otherName}: ${show(heddle)}`)
    .join('\n');
}

function compareLists(envoy: readonly unknown[], heddle: readonly unknown[], path: string): Difference[] {
  if (envoy.every(isScalar) && heddle.every(isScalar)) {
    const isSame = envoy.length === heddle.length && envoy.every((value, i) => Object.is(value, heddle[i]));
    if (isSame) return [];
    return envoy.length > LONG_LIST ? compareSets(envoy, heddle, path) : [{ path, envoy, heddle }];
  }
  const length = Math.max(envoy.length, heddle.length);
  return Array.from({ length }, (_, i) => compare(envoy[i], heddle[i], `${path}[${i}]`)).flat();
}

/** What only one of two long lists has; the lists themselves when only the order differs. */
function compareSets(envoy: readonly unknown[], heddle: readonly unknown[], path: string): Difference[] {
  const onlyEnvoy = envoy.filter((value) => !heddle.includes(value));
  const onlyHeddle = heddle.filter((value) => !envoy.includes(value));
  if (onlyEnvoy.length === 0 && onlyHeddle.length === 0) return [{ path: `${path} order`, envoy, heddle }];
  return [{ path: `${path} (only there)`, envoy: onlyEnvoy, heddle: onlyHeddle }];
}

function isScalar(value: unknown): boolean {
  return typeof value !== 'object' || value === null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return value === undefined ? '(nothing)' : JSON.stringify(value);
}
