// BoringSSL's language of cipher lists, worked out into the names that OpenSSL knows.

/**
 * What a rule can name: BoringSSL's aliases that fit a suite, beside its own two names. `isDeprecated`: only its own
 * name or '3DES' finds it.
 */
type Suite = {
  readonly name: string;
  readonly standardName: string;
  readonly aliases: ReadonlySet<string>;
  readonly isDeprecated: boolean;
};

const COMMON = 'ALL HIGH FIPS';

/** In BoringSSL's order where the machine has AES. Measured by the ClientHello of an Envoy with the list 'ALL'. */
const SUITES: readonly Suite[] = [
  ['ECDHE-ECDSA-AES128-GCM-SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'AES AES128 AESGCM TLSv1.2'],
  ['ECDHE-RSA-AES128-GCM-SHA256', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'AES AES128 AESGCM TLSv1.2'],
  ['ECDHE-ECDSA-AES256-GCM-SHA384', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'AES AES256 AESGCM TLSv1.2'],
  ['ECDHE-RSA-AES256-GCM-SHA384', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'AES AES256 AESGCM TLSv1.2'],
  ['ECDHE-ECDSA-CHACHA20-POLY1305', 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'CHACHA20 TLSv1.2'],
  ['ECDHE-RSA-CHACHA20-POLY1305', 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'CHACHA20 TLSv1.2'],
  ['ECDHE-PSK-CHACHA20-POLY1305', 'TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256', 'CHACHA20 TLSv1.2'],
  ['ECDHE-ECDSA-AES128-SHA', 'TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA', 'AES AES128 SHA1 SHA SSLv3 TLSv1'],
  ['ECDHE-RSA-AES128-SHA', 'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', 'AES AES128 SHA1 SHA SSLv3 TLSv1'],
  ['ECDHE-PSK-AES128-CBC-SHA', 'TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA', 'AES AES128 SHA1 SHA SSLv3 TLSv1'],
  ['ECDHE-ECDSA-AES256-SHA', 'TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA', 'AES AES256 SHA1 SHA SSLv3 TLSv1'],
  ['ECDHE-RSA-AES256-SHA', 'TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA', 'AES AES256 SHA1 SHA SSLv3 TLSv1'],
  ['ECDHE-PSK-AES256-CBC-SHA', 'TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA', 'AES AES256 SHA1 SHA SSLv3 TLSv1'],
  ['ECDHE-ECDSA-AES128-SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256', ''],
  ['ECDHE-RSA-AES128-SHA256', 'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256', ''],
  ['AES128-GCM-SHA256', 'TLS_RSA_WITH_AES_128_GCM_SHA256', 'AES AES128 AESGCM TLSv1.2'],
  ['AES256-GCM-SHA384', 'TLS_RSA_WITH_AES_256_GCM_SHA384', 'AES AES256 AESGCM TLSv1.2'],
  ['AES128-SHA', 'TLS_RSA_WITH_AES_128_CBC_SHA', 'AES AES128 SHA1 SHA SSLv3 TLSv1'],
  ['PSK-AES128-CBC-SHA', 'TLS_PSK_WITH_AES_128_CBC_SHA', 'AES AES128 SHA1 SHA SSLv3 TLSv1'],
  ['AES256-SHA', 'TLS_RSA_WITH_AES_256_CBC_SHA', 'AES AES256 SHA1 SHA SSLv3 TLSv1'],
  ['PSK-AES256-CBC-SHA', 'TLS_PSK_WITH_AES_256_CBC_SHA', 'AES AES256 SHA1 SHA SSLv3 TLSv1'],
  ['DES-CBC3-SHA', 'TLS_RSA_WITH_3DES_EDE_CBC_SHA', '3DES'],
].map(([name = '', standardName = '', kinds = '']) => {
  const isDeprecated = kinds === '' || kinds === '3DES';
  const aliases = isDeprecated ? kinds : `${COMMON} ${kinds} ${exchangeAliases(name)}`;
  return { name, standardName, aliases: new Set(aliases.split(' ')), isDeprecated };
});

function exchangeAliases(name: string): string {
  if (name.startsWith('ECDHE-ECDSA-')) return 'kECDHE kEECDH ECDHE EECDH aECDSA ECDSA';
  if (name.startsWith('ECDHE-RSA-')) return 'kECDHE kEECDH ECDHE EECDH aRSA';
  if (name.startsWith('ECDHE-PSK-')) return 'kECDHE kEECDH aPSK PSK';
  return name.startsWith('PSK-') ? 'kPSK aPSK PSK' : 'kRSA aRSA RSA';
}

const ALIASES: ReadonlySet<string> = new Set(SUITES.flatMap((suite) => [...suite.aliases]));

/** Longer lists are refused, so that the work stays bounded. */
const MAX_LIST_LENGTH = 8 * 1024;

/** The suites that are on, in order. */
type State = { order: Suite[]; readonly active: Set<Suite>; readonly killed: Set<Suite> };

/**
 * The suites that a list names, in order, by OpenSSL's names; null when BoringSSL (strict) refuses the list. Groups of
 * equals are put down one after the other. Suites with pre-shared keys are left out: nobody has such keys here.
 * Source: BoringSSL ssl_create_cipher_list.
 */
export function expandCipherList(list: string): readonly string[] | null {
  if (list.length > MAX_LIST_LENGTH) return null;
  const state: State = { order: [...SUITES], active: new Set(), killed: new Set() };
  let rest = list;
  if (rest.startsWith('DEFAULT')) {
    applyRule(state, '', ['ALL']);
    rest = rest.slice('DEFAULT'.length);
    if (rest.startsWith(':')) rest = rest.slice(1);
  }
  if (!applyRules(state, rest)) return null;
  const active = state.order.filter((suite) => state.active.has(suite));
  if (active.length === 0) return null;
  return active.map((suite) => suite.name).filter((name) => !name.includes('PSK'));
}

const TOKEN = /[A-Za-z0-9._-]+/y;

/** False for a list that BoringSSL does not read to its end. */
function applyRules(state: State, text: string): boolean {
  let isInGroup = false;
  let hasGroup = false;
  let at = 0;
  while (at < text.length) {
    const char = text[at] as string;
    if (isInGroup && (char === ']' || char === '|')) {
      if (char === ']') isInGroup = false;
      at++;
      continue;
    }
    if (char === ':') {
      at++;
      continue;
    }
    if (!isInGroup && char === '[') {
      isInGroup = true;
      hasGroup = true;
      at++;
      continue;
    }
    const operator = !isInGroup && '-+!@'.includes(char) ? char : '';
    if (hasGroup && operator !== '') return false;
    const parsed = readNames(text, at + operator.length);
    if (parsed === null) return false;
    if (operator === '@') {
      if (parsed.names.length !== 1 || parsed.names[0] !== 'STRENGTH') return false;
      sortByStrength(state);
    } else {
      if (!parsed.names.every(isKnown(parsed.names.length))) return false;
      applyRule(state, operator, parsed.names);
    }
    at = parsed.end;
    if (at < text.length && !':|]'.includes(text[at] as string)) return false;
  }
  return !isInGroup;
}

function readNames(text: string, from: number): { readonly names: string[]; readonly end: number } | null {
  const names: string[] = [];
  let at = from;
  for (;;) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (found === null) return null;
    names.push(found[0]);
    at += found[0].length;
    if (text[at] !== '+') return { names, end: at };
    at++;
  }
}

/** A suite's own name cannot be one of several parts. */
function isKnown(parts: number): (name: string) => boolean {
  return (name) => ALIASES.has(name) || (parts === 1 && SUITES.some((suite) => isNamed(suite, name)));
}

function isNamed(suite: Suite, name: string): boolean {
  return suite.name === name || suite.standardName === name;
}

function applyRule(state: State, operator: string, names: readonly string[]): void {
  const matches = (suite: Suite): boolean =>
    (names.length === 1 && isNamed(suite, names[0] as string)) || names.every((name) => suite.aliases.has(name));
  const found = state.order.filter((suite) => matches(suite) && !state.killed.has(suite));
  const moved = found.filter((suite) => state.active.has(suite) === (operator !== ''));
  const others = state.order.filter((suite) => !moved.includes(suite));
  switch (operator) {
    case '':
      state.order = [...others, ...moved];
      for (const suite of moved) state.active.add(suite);
      break;
    case '+':
      state.order = [...others, ...moved];
      break;
    case '-':
      // In front, in their order, so that a later rule finds them first.
      state.order = [...moved, ...others];
      for (const suite of moved) state.active.delete(suite);
      break;
    default:
      for (const suite of found) {
        state.active.delete(suite);
        state.killed.add(suite);
      }
  }
}

function sortByStrength(state: State): void {
  const bits = ({ name }: Suite): number => (/AES256|CHACHA20/.test(name) ? 256 : /AES128/.test(name) ? 128 : 112);
  const active = state.order.filter((suite) => state.active.has(suite));
  const rest = state.order.filter((suite) => !state.active.has(suite));
  state.order = [...rest, ...active.sort((a, b) => bits(b) - bits(a))];
}

/** The parts of a list that BoringSSL refuses by themselves, as Envoy lists them. Source: TlsContext's constructor. */
export function rejectedCiphers(list: string): string[] {
  const parts = list.split(/[:+![|\]]/).filter((part) => part !== '');
  return parts.map((part) => part.replace(/^-/, '')).filter((part) => expandCipherList(part) === null);
}
