// The list of all tables of differential cases.
import type { Group } from './case.ts';
import { http1Groups } from './cases/http1.ts';
import { routingGroups } from './cases/routing.ts';
import { smugglingGroups } from './cases/smuggling.ts';

export const allGroups: readonly Group[] = [...http1Groups, ...smugglingGroups, ...routingGroups];
