// Values of access rules as Envoy's matchers: a star at one end is any text there, a star alone is any text at all.
import type {
  HeaderMatcher,
  MetadataMatcher,
  Principal,
  StringMatcher,
  ValueMatcher,
} from '../../../proto/generated/types.d.ts';

/** Presence is a text of at least one character. */
const PRESENT: StringMatcher = { safe_regex: { regex: '.+' } };

export function stringMatcher(value: string): StringMatcher {
  return prefixedMatcher(value, '');
}

/**
 * As `stringMatcher`, for texts that carry `prefix` and are written without. A value that begins with a star matches
 * any text between the prefix and its end.
 */
export function prefixedMatcher(value: string, prefix: string): StringMatcher {
  if (value === '*') return PRESENT;
  if (value.startsWith('*')) {
    const suffix = value.slice(1);
    return prefix === '' ? { suffix } : { safe_regex: { regex: `${prefix}.*${escapeRegex(suffix)}` } };
  }
  if (value.endsWith('*')) return { prefix: `${prefix}${value.slice(0, -1)}` };
  return { exact: `${prefix}${value}` };
}

function escapeRegex(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

export function regexMatcher(regex: string): StringMatcher {
  return { safe_regex: { regex } };
}

export function headerMatcher(name: string, value: string): HeaderMatcher {
  if (value === '*') return { name, present_match: true };
  return { name, string_match: stringMatcher(value) };
}

/** A header that lists values: one of them, between commas. */
export function listedHeaderMatcher(name: string, value: string): HeaderMatcher {
  if (value === '*') return { name, present_match: true };
  return { name, string_match: regexMatcher(`(.*,\\s*)?${starRegex(value, '[^,]*')}(\\s*,.*)?`) };
}

/** Any identity of a trust domain. */
export function trustDomainMatcher(value: string): StringMatcher {
  if (value === '*') return PRESENT;
  if (!value.includes('*')) return { prefix: `spiffe://${value}/` };
  return regexMatcher(`spiffe://${starRegex(value, '[^/]*')}/.*`);
}

function starRegex(value: string, any: string): string {
  if (value.startsWith('*')) return `${any}${escapeRegex(value.slice(1))}`;
  return value.endsWith('*') ? `${escapeRegex(value.slice(0, -1))}${any}` : escapeRegex(value);
}

/** Hosts are compared without regard to case. */
export function hostMatcher(value: string): HeaderMatcher {
  const name = ':authority';
  if (value === '*') return { name, present_match: true };
  return { name, string_match: { ...stringMatcher(value), ignore_case: true } };
}

/** A claim that RequestAuthentication found valid: a text, or a list of which one is enough. */
export function claimMatcher(path: readonly string[], values: readonly string[]): MetadataMatcher {
  const value = anyValue(values.map((text) => ({ string_match: stringMatcher(text) })));
  return claims(path, { or_match: { value_matchers: [{ list_match: { one_of: value } }, value] } });
}

/** One of several values. */
export function anyValue(values: ValueMatcher[]): ValueMatcher {
  const [only] = values;
  return values.length === 1 && only !== undefined ? only : { or_match: { value_matchers: values } };
}

function claims(path: readonly string[], value: ValueMatcher): MetadataMatcher {
  return { filter: 'envoy.filters.http.jwt_authn', path: ['payload', ...path].map((key) => ({ key })), value };
}

/** 'ISSUER/SUBJECT', with a star at either end: both parts must hold. An issuer may itself have slashes. */
export function requestPrincipal(value: string): Principal {
  const slash = value.lastIndexOf('/');
  const [issuer, subject] = slash < 0 ? whole(value) : parts(value.slice(0, slash), value.slice(slash + 1), value);
  const ids = [
    { metadata: claims(['iss'], { string_match: issuer }) },
    { metadata: claims(['sub'], { string_match: subject }) },
  ];
  return { and_ids: { ids } };
}

function whole(value: string): readonly [StringMatcher, StringMatcher] {
  if (value === '*') return [PRESENT, PRESENT];
  if (value.startsWith('*')) return [PRESENT, { suffix: value.slice(1) }];
  if (value.endsWith('*')) return [{ prefix: value.slice(0, -1) }, PRESENT];
  return [{ exact: value }, { exact: '' }];
}

function parts(issuer: string, subject: string, value: string): readonly [StringMatcher, StringMatcher] {
  if (value.startsWith('*')) return [issuer === '*' ? PRESENT : { suffix: issuer.slice(1) }, { exact: subject }];
  if (!value.endsWith('*')) return [{ exact: issuer }, { exact: subject }];
  return [{ exact: issuer }, subject === '*' ? PRESENT : { prefix: subject.slice(0, -1) }];
}
