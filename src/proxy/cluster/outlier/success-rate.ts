// The arithmetic of success rates: which hosts of a cluster do notably worse than the others.

export type Rated = { readonly rate: number };

/** Average of the rates, and below which one a host is an outlier. Source: Envoy successRateEjectionThreshold. */
export function successRateThreshold(
  rated: readonly Rated[],
  stdevFactor: number,
): { readonly average: number; readonly threshold: number } {
  let sum = 0;
  for (const { rate } of rated) sum += rate;
  const average = sum / rated.length;
  let variance = 0;
  for (const { rate } of rated) variance += (rate - average) ** 2;
  variance /= rated.length;
  return { average, threshold: average - stdevFactor * Math.sqrt(variance) };
}
