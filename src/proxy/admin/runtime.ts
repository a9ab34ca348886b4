// Admin endpoints of the runtime: its values by layer, and changing the admin layer.
import type { AdminHandler } from './admin-filter.ts';
import type { AdminContext } from './handlers.ts';
import { json } from './server.ts';

export function runtimeHandlers({ proxy }: AdminContext): AdminHandler[] {
  const { runtime } = proxy;
  return [
    {
      path: '/runtime',
      help: 'print runtime values',
      mutates: false,
      handle: () => {
        const entries: Record<string, unknown> = {};
        for (const key of [...runtime.entries.keys()].sort()) {
          const values = runtime.layers.map((layer) => textOf(layer.values.get(key)));
          entries[key] = { final_value: textOf(runtime.entries.get(key)), layer_values: values };
        }
        const layers = runtime.layers.map((layer) => layer.name);
        return { status: 200, contentType: 'application/json', body: json({ layers, entries }) };
      },
    },
    {
      path: '/runtime_modify',
      help: 'Adds or modifies runtime values as passed in query parameters; an empty value removes what was added',
      mutates: true,
      handle: (request) => {
        if (request.query.size === 0) {
          return { status: 400, body: 'usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n' };
        }
        const values = new Map(request.query);
        if (!runtime.modify(values)) return { status: 503, body: 'No admin layer specified' };
        proxy.crew.modifyRuntime(values);
        return { status: 200, body: 'OK\n' };
      },
    },
  ];
}

function textOf(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
