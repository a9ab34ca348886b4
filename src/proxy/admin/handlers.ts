// Every admin endpoint, in one list. Source: Envoy "Administration interface".
import type { SupervisedProxy } from '../proxy.ts';
import type { Supervisor } from '../supervisor.ts';
import type { AdminHandler } from './admin-handler.ts';
import { certsHandlers } from './certs.ts';
import { clustersHandlers } from './clusters.ts';
import { configDumpHandlers } from './config-dump.ts';
import { dnsHandlers } from './dns.ts';
import { initDumpHandlers } from './init-dump.ts';
import { lookupHandlers } from './lookups.ts';
import { profilerHandlers } from './profilers.ts';
import { listenersHandlers } from './listeners.ts';
import { runtimeHandlers } from './runtime.ts';
import { serverHandlers } from './server.ts';
import { statsHandlers } from './stats.ts';
import { tapHandlers } from './tap.ts';

export type AdminContext = { readonly proxy: SupervisedProxy; readonly supervisor: Supervisor };

export function adminHandlers(proxy: SupervisedProxy, supervisor: Supervisor): AdminHandler[] {
  const context: AdminContext = { proxy, supervisor };
  return [
    ...serverHandlers(context),
    ...listenersHandlers(context),
    ...clustersHandlers(context),
    ...statsHandlers(context),
    ...configDumpHandlers(context),
    ...initDumpHandlers(context),
    ...runtimeHandlers(context),
    ...dnsHandlers(context),
    ...certsHandlers(context),
    ...profilerHandlers(context),
    ...tapHandlers(context),
    ...lookupHandlers(),
  ];
}
