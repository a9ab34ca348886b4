// Route tables for tests and benches: from JSON as people write it to a table, with requests to try on it.
import { fromJson } from '../../proto/json-decode.ts';
import { unpackAny } from '../../proto/any.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { Random } from '../../base/clock.ts';
import { headerKey } from '../../wire/header-names.ts';
import { Headers } from '../../wire/headers.ts';
import { ConfigDecoder, type DecodeEnvironment, type Reason } from '../config-decoder.ts';
import type { FormatContext } from '../formatter/format-context.ts';
import { exampleExchange } from '../formatter/test-exchange.ts';
import type { MatchContext, Route, RouteTable } from '../route/route.ts';
import { decodeRouteConfiguration } from './route.ts';
import type { RouteEnvironment } from './route-environment.ts';

const ROUTE_CONFIGURATION = 'envoy.config.route.v3.RouteConfiguration';

export type Decoded = { readonly table: RouteTable; readonly reasons: readonly Reason[] };

/** Decodes a RouteConfiguration; the config of every filter is its unpacked message. */
export function decodeTable(json: object, environment: Partial<RouteEnvironment> = {}): Decoded {
  const report = new Report();
  const message = fromJson(registry.message(ROUTE_CONFIGURATION), json, report);
  if (report.problems.length > 0) throw new Error(JSON.stringify(report.problems));
  const whole: DecodeEnvironment & Partial<RouteEnvironment> = {
    unpack(any) {
      const unpacked = unpackAny(any as Parameters<typeof unpackAny>[0]);
      return unpacked === undefined ? null : { type: unpacked.type.fullName, message: unpacked.message };
    },
    routeFilter: (_name, any, _isOptional, d) => {
      const unpacked = d.environment.unpack(any, d);
      return { config: unpacked?.message, type: unpacked?.type ?? '' };
    },
    ...environment,
  };
  const d = new ConfigDecoder(whole);
  return { table: decodeRouteConfiguration(message as object, d), reasons: d.reasons };
}

/** A table that must decode without reasons. */
export function tableOf(json: object, environment: Partial<RouteEnvironment> = {}): RouteTable {
  const { table, reasons } = decodeTable(json, environment);
  if (reasons.length > 0) throw new Error(JSON.stringify(reasons));
  return table;
}

/** One virtual host for all domains with one route. */
export function oneRoute(match: object, action: object, host: object = {}, config: object = {}): object {
  return {
    name: 'r',
    virtual_hosts: [{ name: 'v', domains: ['*'], routes: [{ match, ...action }], ...host }],
    ...config,
  };
}

/** Builds request headers; `fields` are 'name: value' lines. */
export function requestOf(path: string, authority = 'h', ...fields: string[]): Headers {
  const headers = new Headers();
  headers.method = 'GET';
  headers.scheme = 'http';
  headers.path = path;
  headers.authority = authority;
  headers.add(headerKey('x-forwarded-proto'), 'http');
  for (const field of fields) {
    const [, name, value] = /^([^:]+): ?(.*)$/s.exec(field) as unknown as [string, string, string];
    headers.add(headerKey(name), value);
  }
  return headers;
}

/** What matching gets besides the headers: seeded randomness, runtime without overrides. */
export function contextOf(headers: Headers, seed = 1): MatchContext {
  const format: FormatContext = { ...exampleExchange(), requestHeaders: headers };
  return {
    random: new Random(seed),
    runtime: {
      number: (_key, fallback) => fallback,
      double: (_key, fallback) => fallback,
      boolean: (_key, fallback) => fallback,
      featureEnabled: (_key, { numerator, denominator }, random) => random.below(denominator) < numerator,
    },
    format,
  };
}

/** The route of a request, which must have one. */
export function routeOf(table: RouteTable, headers: Headers): Route {
  const route = table.match(headers, contextOf(headers));
  if (route === null) throw new Error(`no route for ${headers.authority}${headers.path}`);
  return route;
}

/** Headers as 'name: value' lines, pseudo-headers and what `requestOf` adds left out. */
export function linesOf(headers: Headers): string[] {
  const lines: string[] = [];
  headers.forEach((name, value) => {
    if (!name.startsWith(':') && name !== 'x-forwarded-proto') lines.push(`${name}: ${value}`);
  });
  return lines;
}
