// Namespaces that may join: by name, or by the labels of their objects.
import type { FromNamespaces, LabelSelector } from './gateway-spec.ts';

/** Every namespace has it, written down or not. */
const NAME_LABEL = 'kubernetes.io/metadata.name';

/** Labels of a namespace; undefined where nothing is known of it, and then no selector takes it. */
export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>> | undefined;

/** `fallback`: who may join where nothing is said. */
export function takesNamespace(
  { from, selector }: FromNamespaces,
  fallback: 'Same' | 'None',
  own: string,
  namespace: string,
  labelsOf: NamespaceLabels,
): boolean {
  switch (from ?? fallback) {
    case 'All':
      return true;
    case 'Same':
      return namespace === own;
    case 'Selector': {
      const labels = labelsOf(namespace);
      if (labels === undefined || selector === undefined) return false;
      return selectsLabels(selector, { ...labels, [NAME_LABEL]: namespace });
    }
    default:
      return false;
  }
}

export function selectsLabels(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === 'Exists') return value !== undefined;
      if (operator === 'DoesNotExist') return value === undefined;
      if (operator === 'In') return value !== undefined && values.includes(value);
      return operator === 'NotIn' && (value === undefined || !values.includes(value));
    })
  );
}
