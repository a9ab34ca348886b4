// Kinds of objects under the names that kubectl knows them by: singular, plural, short, and with their group.
import { nearest } from '../../control/schema/problem.ts';
import { KINDS, type Kind } from '../../control/source/kinds.ts';
import { UsageError } from '../command/parse.ts';

export type NamedKind = Kind & {
  readonly singular: string;
  readonly plural: string;
  readonly short: readonly string[];
};

/** Source: the published resource definitions, and Kubernetes' own. */
const SHORT: Readonly<Record<string, string>> = {
  ...{ 'networking.istio.io/VirtualService': 'vs', 'networking.istio.io/DestinationRule': 'dr' },
  ...{ 'networking.istio.io/Gateway': 'gw', 'networking.istio.io/ServiceEntry': 'se' },
  ...{ 'networking.istio.io/WorkloadEntry': 'we', 'networking.istio.io/WorkloadGroup': 'wg' },
  ...{ 'security.istio.io/PeerAuthentication': 'pa', 'security.istio.io/AuthorizationPolicy': 'ap' },
  ...{ 'security.istio.io/RequestAuthentication': 'ra', 'telemetry.istio.io/Telemetry': 'telemetry' },
  ...{ 'gateway.networking.k8s.io/Gateway': 'gtw', 'gateway.networking.k8s.io/GatewayClass': 'gc' },
  ...{ 'gateway.networking.k8s.io/ReferenceGrant': 'refgrant', 'gateway.networking.k8s.io/ListenerSet': 'lset' },
  ...{ 'gateway.networking.k8s.io/BackendTLSPolicy': 'btlspolicy' },
  ...{ '/Service': 'svc', '/Pod': 'po', '/ServiceAccount': 'sa', '/ConfigMap': 'cm', '/Namespace': 'ns' },
  ...{ '/Node': 'no', 'apps/Deployment': 'deploy', 'apps/StatefulSet': 'sts' },
};

const UNCHANGED: Readonly<Record<string, string>> = { telemetry: 'telemetries', meshnetworks: 'meshnetworks' };

export const NAMED_KINDS: readonly NamedKind[] = KINDS.map((kind) => {
  const singular = kind.kind.toLowerCase();
  const short = SHORT[`${kind.group}/${kind.kind}`];
  return { ...kind, singular, plural: pluralOf(singular), short: short === undefined ? [] : [short] };
});

function pluralOf(singular: string): string {
  const known = UNCHANGED[singular];
  if (known !== undefined) return known;
  if (/[^aeiou]y$/.test(singular)) return singular.replace(/y$/, 'ies');
  return /(?:s|x|ch|sh)$/.test(singular) ? `${singular}es` : `${singular}s`;
}

/**
 * Kinds that a word means: 'vs', 'virtualservices', 'VirtualService', 'gateways.gateway.networking.k8s.io',
 * 'gateway.networking.k8s.io:Gateway'; without a group those of all groups.
 */
export function kindsNamed(word: string): NamedKind[] {
  const lower = word.toLowerCase();
  const colon = lower.indexOf(':');
  const dot = lower.indexOf('.');
  const [name, group] =
    colon >= 0
      ? [lower.slice(colon + 1), lower.slice(0, colon)]
      : dot >= 0
        ? [lower.slice(0, dot), lower.slice(dot + 1).replace(/^v\d\w*\./, '')]
        : [lower, null];
  return NAMED_KINDS.filter(
    (kind) =>
      (kind.singular === name || kind.plural === name || kind.short.includes(name)) &&
      (group === null || kind.group === group),
  );
}

/** 'vs,dr' or 'all'; throws UsageError with the nearest name. */
export function kindsOf(word: string): readonly NamedKind[] {
  if (word === 'all') return NAMED_KINDS;
  return word.split(',').flatMap((one) => {
    const found = kindsNamed(one);
    if (found.length > 0) return found;
    const meant = nearest(one.toLowerCase(), kindWords());
    const hint = meant === null ? 'heddle get all lists what there is' : `is ${meant} meant?`;
    throw new UsageError(`no kind ${JSON.stringify(one)}: ${hint}`);
  });
}

export function kindWords(): string[] {
  return [...new Set(NAMED_KINDS.flatMap(({ singular, plural, short }) => [plural, singular, ...short]))];
}

/** 'virtualservice.networking.istio.io/reviews', as kubectl names an object. */
export function titleOf({ group, kind, name }: { group: string; kind: string; name: string }): string {
  return `${kind.toLowerCase()}${group === '' ? '' : `.${group}`}/${name}`;
}
