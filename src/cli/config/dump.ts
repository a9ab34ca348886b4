// A proxy's /config_dump as the writers read it: resources by kind, as JSON with the names of the protobuf fields.

export type Json = Readonly<Record<string, unknown>>;

/** A resource of the dump, or a part of one. */
export const at = (value: unknown, ...path: readonly (string | number)[]): unknown => {
  let found = value;
  for (const step of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Record<string | number, unknown>)[step];
  }
  return found;
};
export const listAt = (value: unknown, ...path: readonly (string | number)[]): readonly Json[] => {
  const found = at(value, ...path);
  return Array.isArray(found) ? (found as Json[]) : [];
};
export const textAt = (value: unknown, ...path: readonly (string | number)[]): string => {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : typeof found === 'number' ? String(found) : '';
};

export class ConfigDump {
  readonly #sections: ReadonlyMap<string, Json>;

  constructor(sections: ReadonlyMap<string, Json>) {
    this.#sections = sections;
  }

  /** A text says why it is none. */
  static read(text: string): ConfigDump | string {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return `no JSON: ${(error as Error).message}`;
    }
    const configs = listAt(value, 'configs');
    if (configs.length === 0) return 'no dump of a proxy: it has no list "configs", which GET /config_dump answers';
    return new ConfigDump(new Map(configs.map((one) => [sectionName(textAt(one, '@type')), one])));
  }

  get bootstrap(): Json {
    return this.section('Bootstrap');
  }

  get secrets(): Json {
    return this.section('Secrets');
  }

  /** In force: what control planes brought, then what the bootstrap has. */
  get listeners(): readonly Json[] {
    const section = this.section('Listeners');
    const dynamic = listAt(section, 'dynamic_listeners').map((one) => at(one, 'active_state', 'listener'));
    return there([...dynamic, ...listAt(section, 'static_listeners').map((one) => at(one, 'listener'))]);
  }

  get clusters(): readonly Json[] {
    const section = this.section('Clusters');
    const lists = ['dynamic_active_clusters', 'static_clusters'].flatMap((list) => listAt(section, list));
    return there(lists.map((one) => at(one, 'cluster')));
  }

  get dynamicRoutes(): readonly Json[] {
    return there(listAt(this.section('Routes'), 'dynamic_route_configs').map((one) => at(one, 'route_config')));
  }

  get staticRoutes(): readonly Json[] {
    return there(listAt(this.section('Routes'), 'static_route_configs').map((one) => at(one, 'route_config')));
  }

  /** Only in dumps that were asked for them (?include_eds). */
  get endpoints(): readonly Json[] {
    const section = this.section('Endpoints');
    const lists = ['dynamic_endpoint_configs', 'static_endpoint_configs'].flatMap((list) => listAt(section, list));
    return there(lists.map((one) => at(one, 'endpoint_config')));
  }

  section(name: string): Json {
    return this.#sections.get(name) ?? {};
  }
}

/** 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump' → 'Listeners' */
function sectionName(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf('.') + 1).replace(/ConfigDump$/, '');
}

function there(values: readonly unknown[]): Json[] {
  return values.filter((value): value is Json => typeof value === 'object' && value !== null);
}

/** Which object of the mesh a resource was made of: 'reviews.shop', '' where it does not say. */
export function managedBy(resource: unknown): string {
  const path = textAt(resource, 'metadata', 'filter_metadata', 'istio', 'config');
  if (path === '') return '';
  const pieces = path.split('/');
  if (!/^\/apis\/networking\.istio\.io\/[^/]+\/namespaces\//.test(path)) return '<unknown>';
  return pieces.length === 8 ? `${pieces[7]}.${pieces[5]}` : '';
}

export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
