// Builders of Envoy configuration for the tables: short for what repeats, plain objects for what a case is about.
import { dump } from 'js-yaml';

export type Json = unknown;
export type Fields = Readonly<Record<string, Json>>;

const HCM = 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';
const FILE_LOG = 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog';

/** The log line that every listener of the tables writes unless the case is about something else. */
export const STANDARD_LOG =
  '%PROTOCOL% code=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% details=%RESPONSE_CODE_DETAILS% ' +
  'term=%CONNECTION_TERMINATION_DETAILS% rx=%BYTES_RECEIVED% tx=%BYTES_SENT% cluster=%UPSTREAM_CLUSTER% ' +
  'host=%UPSTREAM_HOST% route=%ROUTE_NAME% attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% ' +
  'failure=%UPSTREAM_TRANSPORT_FAILURE_REASON% ' +
  '%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %REQ(:AUTHORITY)%\n';

export function any(type: string, fields: Fields = {}): Fields {
  return { '@type': `type.googleapis.com/${type}`, ...fields };
}

export function address(placeholder: string): Fields {
  return { socket_address: { address: '127.0.0.1', port_value: `{{${placeholder}}}` } };
}

export function fileLog(format: Fields): Fields {
  return { name: 'envoy.access_loggers.file', typed_config: { '@type': FILE_LOG, path: '{{log}}', ...format } };
}

export function textLog(text: string): Fields {
  return fileLog({ log_format: { text_format_source: { inline_string: text } } });
}

export function filter(name: string, type: string, fields: Fields = {}, around: Fields = {}): Fields {
  return { name, typed_config: any(type, fields), ...around };
}

export const routerFilter: Fields = { name: 'envoy.filters.http.router', typed_config: { '@type': ROUTER } };

export type HttpListener = {
  readonly name: string;
  readonly routes?: readonly Fields[];
  readonly virtualHosts?: readonly Fields[];
  readonly routeConfig?: Fields;
  readonly filters?: readonly Fields[];
  readonly router?: Fields;
  readonly hcm?: Fields;
  readonly listener?: Fields;
  /** null writes no log. */
  readonly log?: readonly Fields[] | null;
};

/** One listener with one connection manager; its statistics prefix is its name. */
export function http(options: HttpListener): Fields {
  const virtualHosts = options.virtualHosts ?? [
    { name: 'all', domains: ['*'], routes: options.routes ?? [route('/', 'a')] },
  ];
  const router =
    options.router === undefined
      ? routerFilter
      : { name: 'envoy.filters.http.router', typed_config: { '@type': ROUTER, ...options.router } };
  const log = options.log === null ? {} : { access_log: options.log ?? [textLog(STANDARD_LOG)] };
  return {
    name: options.name,
    address: address(`listen.${options.name}`),
    stat_prefix: options.name,
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type': HCM,
              stat_prefix: options.name,
              ...log,
              route_config: { name: `${options.name}-routes`, virtual_hosts: virtualHosts, ...options.routeConfig },
              http_filters: [...(options.filters ?? []), router],
              // Envoy keeps a connection that it closes open for one second; the tables do not want to wait for that.
              delayed_close_timeout: '0.03s',
              ...options.hcm,
            },
          },
        ],
      },
    ],
    ...options.listener,
  };
}

/** A route by prefix to a cluster. */
export function route(prefix: string, cluster: string, action: Fields = {}, around: Fields = {}): Fields {
  return { match: { prefix }, route: { cluster, ...action }, ...around };
}

export function match(matcher: Fields, cluster: string, action: Fields = {}, around: Fields = {}): Fields {
  return { match: matcher, route: { cluster, ...action }, ...around };
}

export function direct(matcher: Fields, status: number, body?: string, around: Fields = {}): Fields {
  const text = body === undefined ? {} : { body: { inline_string: body } };
  return { match: matcher, direct_response: { status, ...text }, ...around };
}

/** A STATIC cluster; the endpoints are backend names unless they carry a dot (`free.x`, `full.x`). */
export function cluster(name: string, endpoints: readonly string[] = [name], fields: Fields = {}): Fields {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: endpoints.map((endpoint) => ({
            endpoint: { address: address(endpoint.includes('.') ? endpoint : `backend.${endpoint}`) },
          })),
        },
      ],
    },
    ...fields,
  };
}

export type Bootstrap = {
  readonly listeners: readonly Fields[];
  readonly clusters: readonly Fields[];
  readonly around?: Fields;
};

/** A whole bootstrap with admin and the listener that the rig uses to know that all log lines were written. */
export function bootstrap({ listeners, clusters, around }: Bootstrap): Fields {
  return {
    node: { id: 'differential', cluster: 'differential' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    static_resources: { listeners: [...listeners, barrierListener()], clusters },
    ...around,
  };
}

function barrierListener(): Fields {
  return http({
    name: 'barrier',
    routes: [direct({ prefix: '/' }, 200)],
    log: [textLog('BARRIER %REQ(X-BARRIER)%\n')],
  });
}

export function toYaml(config: unknown): string {
  return dump(config, { lineWidth: -1, noRefs: true });
}

const message = (address: string, more: readonly number[] = []): string =>
  Buffer.from([10, address.length, ...Buffer.from(address), ...more]).toString('base64');

/** `{{FORM.NAME}}` is the address with the port that NAME stands for, as sessions carry it. */
const ADDRESS_FORMS: Readonly<Record<string, (address: string) => string>> = {
  base64: (address) => Buffer.from(address).toString('base64'),
  session: message,
  // Since the first second of the machine, and for ages.
  expiredSession: (address) => message(address, [16, 1]),
  longSession: (address) => message(address, [16, 255, 255, 255, 255, 15]),
};

/** Replaces placeholders: alone in quotes by a number, inside a text by its digits. */
export function fillPlaceholders(text: string, values: ReadonlyMap<string, string | number>): string {
  const lookUp = (name: string): string => {
    const [form = '', ...rest] = name.split('.');
    if (form in ADDRESS_FORMS) return ADDRESS_FORMS[form]!(`127.0.0.1:${lookUp(rest.join('.'))}`);
    const value = values.get(name);
    if (value === undefined) throw new Error(`unknown placeholder {{${name}}}`);
    return String(value);
  };
  return text
    .replace(/(['"])\{\{([\w.-]+)\}\}\1/g, (_, quote: string, name: string) =>
      typeof values.get(name) === 'number' ? lookUp(name) : quote + lookUp(name) + quote,
    )
    .replace(/\{\{([\w.-]+)\}\}/g, (_, name: string) => lookUp(name));
}

export function placeholdersIn(text: string): string[] {
  return [...new Set([...text.matchAll(/\{\{([\w.-]+)\}\}/g)].map((found) => found[1]!))];
}
