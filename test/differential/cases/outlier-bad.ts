// Configurations of outlier detection that are refused, and why.
import { bootstrap, cluster, type Fields, http } from '../config.ts';
import type { ConfigCase } from './bad-configs.ts';

const detection = (outlier_detection: Fields): Fields =>
  bootstrap({ listeners: [http({ name: 'main' })], clusters: [cluster('a', ['free.a'], { outlier_detection })] });

export const outlierConfigCases: readonly ConfigCase[] = [
  {
    name: 'outliers: the longest ejection is shorter than the first',
    config: detection({ base_ejection_time: '10s', max_ejection_time: '5s' }),
    mentions: ['max_ejection_time cannot be smaller than base_ejection_time'],
  },
  {
    name: 'outliers: more than all hosts',
    config: detection({ max_ejection_percent: 101 }),
    mentions: ['max_ejection_percent'],
  },
  {
    name: 'outliers: enforced more than always',
    config: detection({ enforcing_consecutive_5xx: 101 }),
    mentions: ['enforcing_consecutive_5xx'],
  },
  { name: 'outliers: no interval', config: detection({ interval: '0s' }), mentions: ['interval'] },
  { name: 'outliers: no time out', config: detection({ base_ejection_time: '0s' }), mentions: ['base_ejection_time'] },
];
