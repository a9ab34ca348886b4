// Which view is shown, and what is chosen in it: '#/requests?workload=reviews-v1'.
import { signal } from '@preact/signals';

export const VIEWS = ['graph', 'workloads', 'requests', 'objects', 'timeline'] as const;
export type View = (typeof VIEWS)[number];
export type Route = { readonly view: View; readonly query: URLSearchParams };

export const route = signal<Route>({ view: 'graph', query: new URLSearchParams() });

export function followAddress(): void {
  const read = (): void => {
    const [, name = '', query = ''] = /^#\/(\w+)(?:\?(.*))?$/.exec(location.hash) ?? [];
    route.value = { view: VIEWS.find((view) => view === name) ?? 'graph', query: new URLSearchParams(query) };
  };
  addEventListener('hashchange', read);
  read();
}

export function addressOf(view: View, query: Readonly<Record<string, string>> = {}): string {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== '')).toString();
  return `#/${view}${text === '' ? '' : `?${text}`}`;
}

/** Of the same view; goes into no history. */
export function choose(query: Readonly<Record<string, string>>): void {
  const all = { ...Object.fromEntries(route.value.query), ...query };
  history.replaceState(null, '', addressOf(route.value.view, all));
  route.value = { view: route.value.view, query: new URLSearchParams(Object.entries(all)) };
}
