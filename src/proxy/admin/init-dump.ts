// The endpoint /init_dump: listeners that wait, and what they wait for.
import { EXTENSION_TYPE, LISTENER_TYPE, ROUTE_TYPE, SCOPE_TYPE, SECRET_TYPE, VIRTUAL_HOST_TYPE } from '../xds/types.ts';
import type { AdminHandler } from './admin-handler.ts';
import { INIT_DUMP_PARAMS } from './help-texts.ts';
import type { AdminContext } from './handlers.ts';
import { jsonText } from './json-writer.ts';

/** How Envoy calls what is waited for; '': no listener waits for it. */
const TARGETS: Readonly<Record<string, (name: string) => string>> = {
  [ROUTE_TYPE]: (name) => `shared target RdsRouteConfigSubscription RDS init ${name}`,
  [SCOPE_TYPE]: () => "target ConfigSubscriptionCommonBase init target 'SRDS'",
  [VIRTUAL_HOST_TYPE]: (name) => (name.endsWith('/') ? `target VhdsConfigSubscription ${name.slice(0, -1)}` : ''),
  [SECRET_TYPE]: (name) => `target SdsApi ${name}`,
  [EXTENSION_TYPE]: (name) => `target FilterConfigSubscription init ${name}`,
};

export function initDumpHandlers({ proxy }: AdminContext): AdminHandler[] {
  return [
    {
      path: '/init_dump',
      help: 'dump current Envoy init manager information (experimental)',
      mutates: false,
      params: INIT_DUMP_PARAMS,
      handle: (request) => {
        const mask = request.query.get('mask');
        const isShown = mask === null || mask === 'listener';
        const dumps = isShown ? unready(proxy) : [];
        const body = `${jsonText(dumps.length === 0 ? {} : { unready_targets_dumps: dumps })}\n`;
        return { status: 200, contentType: 'application/json', body };
      },
    },
  ];
}

/** Which listener waits for which resource is not kept: each is shown with all that is waited for. */
function unready({ crew, record }: AdminContext['proxy']): unknown[] {
  const listening = new Set(crew.listeners().map(({ name }) => name));
  const all = Object.entries(TARGETS).flatMap(([type, show]) => [...record.awaited(type)].map(show));
  const target_names = all.filter((text) => text !== '');
  const waiting = [...record.of(LISTENER_TYPE)].filter(({ name, active }) => active !== null && !listening.has(name));
  return waiting.map(({ name }) => ({ name: `init manager Listener-local-init-manager ${name}`, target_names }));
}
