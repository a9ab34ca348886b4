// Admin endpoints about look-ups of statistics by name. Names are looked up when configuration is made, never later,
// so that there is nothing to record: the answers are Envoy's of a process that has looked nothing up.
import type { AdminHandler, AdminResponse } from './admin-handler.ts';

const OK: AdminResponse = { status: 200, body: 'OK\n' };

export function lookupHandlers(): AdminHandler[] {
  let isOn = false;
  const switchTo = (on: boolean) => (): AdminResponse => {
    isOn = on;
    return OK;
  };
  return [
    {
      path: '/stats/recentlookups',
      help: 'Show recent stat-name lookups',
      mutates: false,
      handle: () => ({ status: 200, body: `${isOn ? TABLE : HOW_TO_ENABLE}\ntotal: 0\n` }),
    },
    {
      path: '/stats/recentlookups/clear',
      help: 'clear list of stat-name lookups and counter',
      mutates: true,
      handle: () => OK,
    },
    {
      path: '/stats/recentlookups/disable',
      help: 'disable recording of reset stat-name lookup names',
      mutates: true,
      handle: switchTo(false),
    },
    {
      path: '/stats/recentlookups/enable',
      help: 'enable recording of reset stat-name lookup names',
      mutates: true,
      handle: switchTo(true),
    },
  ];
}

const HOW_TO_ENABLE = 'Lookup tracking is not enabled. Use /stats/recentlookups/enable to enable.\n';
const TABLE = '   Count Lookup\n';
