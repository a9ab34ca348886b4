// Decodes hash policies.
import { bytesOf } from '../../base/matcher-text.ts';
import type { HeaderKey } from '../../wire/header-names.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { type HashPolicy, makeCookie, sourceIpHash } from '../route/hash-policy.ts';
import { xxHash64 } from '../route/xxhash64.ts';
import { findFilterState } from '../stream-info.ts';
import { decodeRegexRewrite, matchedHeaderKey, parseCookies, parseQuery } from './matcher.ts';
import type { HashPolicyPb } from './route-messages.ts';

export function decodeHashPolicies(messages: readonly HashPolicyPb[] | undefined, d: ConfigDecoder): HashPolicy[] {
  const policies: HashPolicy[] = [];
  for (const [i, message] of (messages ?? []).entries()) {
    const hash = decodeHash(message, d.at('hash_policy', i));
    if (hash !== null) policies.push({ terminal: message.terminal === true, hash });
  }
  return policies;
}

function decodeHash(message: HashPolicyPb, d: ConfigDecoder): HashPolicy['hash'] | null {
  if (message.header !== undefined) return decodeHeaderHash(message.header, d.at('header'));
  if (message.cookie !== undefined) return decodeCookieHash(message.cookie, d);
  if (message.connection_properties !== undefined) {
    return message.connection_properties.source_ip === true ? (_headers, context) => sourceIpHash(context) : null;
  }
  if (message.query_parameter !== undefined) {
    const name = bytesOf(message.query_parameter.name ?? '');
    return ({ path }) => {
      const value = parseQuery(path).get(name);
      return value === undefined ? null : xxHash64(value);
    };
  }
  if (message.filter_state !== undefined) {
    const key = message.filter_state.key ?? '';
    return (_headers, context) => {
      const object = findFilterState(context.format.info, key);
      return object?.isHashable === true ? xxHash64(object.value) : null;
    };
  }
  d.reject('', 'policy_specifier is required');
  return null;
}

/** The values of a header, sorted, each seeding the hash of the next. */
function decodeHeaderHash(message: NonNullable<HashPolicyPb['header']>, d: ConfigDecoder): HashPolicy['hash'] {
  const key = matchedHeaderKey(message.header_name ?? '');
  const rewrite =
    message.regex_rewrite === undefined ? null : decodeRegexRewrite(message.regex_rewrite, d.at('regex_rewrite'));
  return (headers) => {
    let values = valuesOf(headers, key);
    if (values.length === 0) return null;
    if (rewrite !== null) values = values.map((value) => rewrite.regex.replaceAll(value, rewrite.substitution));
    if (values.length > 1) values.sort();
    let hash = 0n;
    for (const value of values) hash = xxHash64(value, hash);
    return hash;
  };
}

function valuesOf(headers: Headers, key: HeaderKey): string[] {
  const { kv } = headers;
  const values: string[] = [];
  for (let i = 0; i < kv.length; i += 2) if (kv[i] === key) values.push(kv[i + 1] as string);
  if (values.length === 0) {
    const pseudo = headers.get(key);
    if (pseudo !== undefined) values.push(pseudo);
  }
  return values;
}

function decodeCookieHash(message: NonNullable<HashPolicyPb['cookie']>, d: ConfigDecoder): HashPolicy['hash'] {
  const name = bytesOf(message.name ?? '');
  const ttlSeconds = message.ttl === undefined ? null : Math.floor(d.durationMs(message.ttl, 0) / 1000);
  const path = bytesOf(message.path ?? '');
  const attributes = (message.attributes ?? []).map((each) => ({
    name: bytesOf(each.name ?? ''),
    value: bytesOf(each.value ?? ''),
  }));
  return (headers, context, setCookie) => {
    const value = parseCookies(headers).get(name) ?? '';
    if (value !== '') return xxHash64(value);
    if (ttlSeconds === null) return null;
    const made = makeCookie(name, context, ttlSeconds, path, attributes);
    setCookie?.(made.header);
    return xxHash64(made.value);
  };
}
