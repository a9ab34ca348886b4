// Principals of a mesh that has, or had, several trust domains: a rule for one of them holds for all.

/** What rules mean by the mesh's own trust domain, whatever it is called. */
const LOCAL = 'cluster.local';

/** Principals as rules write them ('TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT'), with those of the mesh's other domains. */
export function withAliases(principals: readonly string[], trustDomains: readonly string[]): readonly string[] {
  return principals.flatMap((principal) => {
    const parts = principal.split('/');
    const [domain = ''] = parts;
    if (parts.length !== 5 || domain === '*') return [principal];
    if (domain !== LOCAL && !trustDomains.some((own) => matches(own, domain))) return [principal];
    const rest = parts.slice(1).join('/');
    return [...new Set(trustDomains.map((own) => (endsLike(own, domain) ? principal : `${own}/${rest}`)))];
  });
}

function matches(domain: string, pattern: string): boolean {
  if (pattern.endsWith('*')) return domain.startsWith(pattern.slice(0, -1));
  return domain === pattern || endsLike(domain, pattern);
}

function endsLike(domain: string, pattern: string): boolean {
  return pattern.startsWith('*') && domain.endsWith(pattern.slice(1));
}
