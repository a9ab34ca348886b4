// Admin endpoints of the runtime: its values by layer, and changing the admin layer.
import type { RuntimeEntry } from '../runtime-values.ts';
import { parseRuntimeText } from '../runtime-text.ts';
import { type AdminHandler, badRequest } from './admin-handler.ts';
import { RUNTIME_MODIFY_HELP } from './help-texts.ts';
import type { AdminContext } from './handlers.ts';
import { JsonTree, jsonDocument } from './json-writer.ts';

export function runtimeHandlers({ proxy }: AdminContext): AdminHandler[] {
  const { runtime } = proxy;
  return [
    {
      path: '/runtime',
      help: 'print runtime values',
      mutates: false,
      handle: () => ({ status: 200, contentType: 'application/json', body: jsonDocument(shown(runtime)) }),
    },
    {
      path: '/runtime_modify',
      help: RUNTIME_MODIFY_HELP,
      mutates: true,
      handle: ({ query }) => {
        if (query.size === 0) return badRequest(USAGE);
        const values = new Map<string, RuntimeEntry | null>();
        for (const [key, text] of query) {
          if (values.has(key)) continue;
          const entry = text === '' ? null : parseRuntimeText(text);
          if (entry !== null && 'error' in entry) return { status: 503, body: entry.error };
          values.set(key, entry);
        }
        if (!proxy.keeper.modify(values)) return { status: 503, body: 'No admin layer specified' };
        return { status: 200, body: 'OK\n' };
      },
    },
  ];
}

const USAGE = `usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN
       or send the parameters as form values
use an empty value to remove a previously added override`;

function shown({ layers, entries }: AdminContext['proxy']['runtime']): JsonTree {
  const keys = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  return new JsonTree({
    layers: layers.map(({ name }) => name),
    entries: new JsonTree(
      Object.fromEntries(
        keys.map(([key, { text }]) => [
          key,
          { final_value: text, layer_values: layers.map((layer) => layer.entries.get(key)?.text ?? '') },
        ]),
      ),
    ),
  });
}
