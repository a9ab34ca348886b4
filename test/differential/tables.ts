// The list of all tables of differential cases.
import type { Group } from './case.ts';
import { connectionManagerGroups } from './cases/connection-manager.ts';
import { filterGroups } from './cases/filters.ts';
import { http1Groups } from './cases/http1.ts';
import { observabilityGroups } from './cases/observability.ts';
import { routingGroups } from './cases/routing.ts';
import { smugglingGroups } from './cases/smuggling.ts';
import { upstreamGroups } from './cases/upstream.ts';

export const allGroups: readonly Group[] = [
  ...http1Groups,
  ...smugglingGroups,
  ...routingGroups,
  ...upstreamGroups,
  ...connectionManagerGroups,
  ...filterGroups,
  ...observabilityGroups,
];
