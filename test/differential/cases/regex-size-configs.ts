// Configurations whose regular expressions need larger programs than runtime values allow, and some that just fit.
import { bootstrap, cluster, direct, type Fields, http } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';

const LEVEL = 're2.max_program_size.error_level';
/** 305 instructions. */
const LARGE = '/(abc[0-9]){50}';

function withRegex(regex: string, level?: unknown, own?: Fields): Fields {
  const routes = [direct({ safe_regex: { regex, ...own } }, 200)];
  const layers = [{ name: 'static', static_layer: { [LEVEL]: level } }];
  return bootstrap({
    listeners: [http({ name: 'main', routes })],
    clusters: [cluster('a')],
    ...(level === undefined ? {} : { around: { layered_runtime: { layers } } }),
  });
}

const own = (limit: number): Fields => ({ google_re2: { max_program_size: limit } });

const refused: readonly ConfigCase[] = [
  { name: 'a large regex', config: withRegex(LARGE), mentions: [LEVEL] },
  { name: 'a large regex, 304 allowed', config: withRegex(LARGE, 304), mentions: ['305', '304'] },
  { name: 'a small regex, none allowed', config: withRegex('/a', 0), mentions: ['6 > max'] },
  { name: 'a small regex, a text for the limit', config: withRegex(LARGE, 'many'), mentions: ['100'] },
  { name: 'a small regex, a negative limit', config: withRegex(LARGE, -3), mentions: ['100'] },
  { name: 'a large regex, its own limit', config: withRegex(LARGE, 1000, own(304)), mentions: ['304'] },
  {
    name: 'a large regex, google_re2 without a limit',
    config: withRegex(LARGE, 304, { google_re2: {} }),
    mentions: ['304'],
  },
];

const accepted: readonly ConfigCase[] = [
  { name: 'a large regex, 305 allowed', config: withRegex(LARGE, 305), isGood: true },
  {
    name: 'a large regex, its own limit above that of the runtime',
    config: withRegex(LARGE, 100, own(305)),
    isGood: true,
  },
  { name: 'a regex of 95 instructions', config: withRegex('/(abc[0-9]){15}'), isGood: true },
];

export const regexSizeConfigCases: readonly ConfigCase[] = [...refused, ...accepted];
