// Labels of workloads: selection, and those that name the workload for telemetry.

export type Labels = Readonly<Record<string, string>>;

/** Whether every label of the selector is there; an empty selector takes everything. */
export function selects(selector: Labels, labels: Labels): boolean {
  for (const name in selector) {
    if (labels[name] !== selector[name]) return false;
  }
  return true;
}

/** In the order of their names: equal labels give equal lists. */
export function labelPairs(labels: Labels): [string, string][] {
  return Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The same labels, in the order of their names. */
export function sortedLabels(labels: Labels): Labels {
  return Object.fromEntries(labelPairs(labels));
}

/** What selects a workload, as the key of memos. */
export function workloadKey(namespace: string, labels: Labels): string {
  return JSON.stringify([namespace, labelPairs(labels)]);
}

export function parseWorkloadKey(key: string): { readonly namespace: string; readonly labels: Labels } {
  const [namespace, pairs] = JSON.parse(key) as [string, [string, string][]];
  return { namespace, labels: Object.fromEntries(pairs) };
}

export function hasLabels(labels: Labels): boolean {
  for (const _ in labels) return true;
  return false;
}

/** Name under which the workload's metrics are kept, as Istio derives it. */
export function canonicalName(labels: Labels, workloadName: string): string {
  return labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels['app'] ?? workloadName;
}

export function canonicalRevision(labels: Labels): string {
  return (
    labels['service.istio.io/canonical-revision'] ??
    labels['app.kubernetes.io/version'] ??
    labels['version'] ??
    'latest'
  );
}

/** Of a selector, the pair by which workloads are looked up: 'NAMESPACE|NAME=VALUE'; '' for one that selects all. */
export function selectorKey(namespace: string, selector: Labels): string {
  const name = Object.keys(selector).sort()[0];
  return name === undefined ? '' : labelKey(namespace, name, selector[name] ?? '');
}

/** Keys under which a workload is found by `selectorKey`. */
export function labelKeys(namespace: string, labels: Labels): string[] {
  return Object.entries(labels).map(([name, value]) => labelKey(namespace, name, value));
}

function labelKey(namespace: string, name: string, value: string): string {
  return `${namespace}|${name}=${value}`;
}
