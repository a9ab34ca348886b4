// What control planes brought, as the parts of /config_dump: resources in force, on their way in, and refused.
import { decodeBinary } from '../../proto/binary-decode.ts';
import { toJson } from '../../proto/json-encode.ts';
import type { Listener, TypedExtensionConfig } from '../../proto/generated/types.d.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { TYPE_URL_PREFIX } from '../../proto/type-url.ts';
import type { ConfigRecord, RecordedError, RecordedResource } from '../xds/config-record.ts';
import {
  CLUSTER_TYPE,
  ENDPOINTS_TYPE,
  EXTENSION_TYPE,
  LISTENER_TYPE,
  NAME_TABLE_TYPE,
  PROXY_CONFIG_TYPE,
  SECRET_TYPE,
} from '../xds/types.ts';
import type { JsonObject } from './dump-json.ts';
import { JsonList } from './json-writer.ts';
import { markStandIns, type NamedFilters } from './stand-in-marks.ts';

/** Which names are wanted, and what is on its way in. */
export type DumpView = {
  readonly record: ConfigRecord;
  readonly isWanted: (name: string) => boolean;
  readonly isWarmingCluster: (name: string) => boolean;
  readonly isListening: (name: string) => boolean;
};

/** A message of that type as JSON with its type. */
export function messageJson(type: string, message: unknown): JsonObject {
  const json = toJson(registry.find(type) as never, message as never, { preserveProtoFieldNames: true });
  return { '@type': TYPE_URL_PREFIX + type, ...(json as object) };
}

export function decodeResource(type: string, bytes: Uint8Array): unknown {
  return decodeBinary(registry.message(type), bytes, new Report()) ?? {};
}

export function resourceJson(type: string, bytes: Uint8Array): JsonObject {
  return messageJson(type, decodeResource(type, bytes));
}

export function timeText(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

/** `made`: entries of clusters that nobody brought. */
export function dynamicClusters(view: DumpView, made: Iterable<JsonObject>): JsonObject {
  const all = wanted(view, CLUSTER_TYPE);
  const those = (warming: boolean): JsonList =>
    new JsonList(function* () {
      for (const resource of all()) {
        const isWarming = resource.active !== null && view.isWarmingCluster(resource.name);
        if (isWarming === warming) yield entryOf(CLUSTER_TYPE, 'cluster', resource);
      }
      if (!warming) yield* made;
    });
  return {
    ...versionOf(view, CLUSTER_TYPE),
    dynamic_active_clusters: those(false),
    dynamic_warming_clusters: those(true),
  };
}

export function dynamicListeners(view: DumpView): JsonObject {
  const all = wanted(view, LISTENER_TYPE);
  const listeners = new JsonList(function* () {
    const draining = new Map(view.record.leaving.draining());
    const namedFilters = namedFiltersOf(view);
    for (const { name, active, error } of all()) {
      if (active === null) {
        yield { name, ...errorOf(LISTENER_TYPE, error) };
        continue;
      }
      const which = view.isListening(name) ? 'active_state' : 'warming_state';
      const before = draining.get(name);
      draining.delete(name);
      const old = before === undefined ? {} : { draining_state: listenerState(before, namedFilters) };
      yield { name, [which]: listenerState(active, namedFilters), ...old, ...errorOf(LISTENER_TYPE, error) };
    }
    for (const [name, before] of draining) {
      if (view.isWanted(name)) yield { name, draining_state: listenerState(before, namedFilters) };
    }
  });
  return { ...versionOf(view, LISTENER_TYPE), dynamic_listeners: listeners };
}

/** What came by name for filters. */
export function namedFiltersOf({ record }: Pick<DumpView, 'record'>): NamedFilters {
  const named = new Map<string, Uint8Array>();
  for (const { name, active } of record.of(EXTENSION_TYPE)) if (active !== null) named.set(name, active.bytes);
  return (name) => {
    const bytes = named.get(name);
    return bytes === undefined
      ? undefined
      : (decodeResource(EXTENSION_TYPE, bytes) as TypedExtensionConfig).typed_config;
  };
}

function listenerState(
  { version, bytes, updatedWallMs }: NonNullable<RecordedResource['active']>,
  namedFilters: NamedFilters,
): JsonObject {
  const message = decodeResource(LISTENER_TYPE, bytes) as Listener;
  return {
    version_info: version,
    listener: markStandIns(messageJson(LISTENER_TYPE, message), message, namedFilters),
    last_updated: timeText(updatedWallMs),
  };
}

/** Those that nobody has answered for are told with the time since when they can have been wanted. */
export function dynamicSecrets(view: DumpView, startedWallMs: number): JsonObject {
  const all = wanted(view, SECRET_TYPE);
  const awaited = [...view.record.awaited(SECRET_TYPE)];
  const active = new JsonList(function* () {
    for (const resource of all()) yield { name: resource.name, ...entryOf(SECRET_TYPE, 'secret', resource) };
  });
  const warming = new JsonList(function* () {
    const told = new Set([...all()].map(({ name }) => name));
    for (const name of awaited) {
      if (told.has(name) || !view.isWanted(name)) continue;
      const uninitialized = { name, version_info: 'uninitialized', last_updated: timeText(startedWallMs) };
      yield { ...uninitialized, secret: messageJson(SECRET_TYPE, { name }) };
    }
  });
  return { dynamic_active_secrets: active, dynamic_warming_secrets: warming };
}

export function dynamicFilters(view: DumpView): JsonObject {
  const all = wanted(view, EXTENSION_TYPE);
  return {
    ecds_filters: new JsonList(function* () {
      for (const resource of all()) yield entryOf(EXTENSION_TYPE, 'ecds_filter', resource);
    }),
  };
}

/** Istio's own messages, each as it came: Envoy has no dump for them. */
export function keptMessages({ record }: DumpView): readonly (() => JsonObject)[] {
  return [NAME_TABLE_TYPE, PROXY_CONFIG_TYPE].flatMap((type) =>
    [...record.of(type)].flatMap(({ active }) => (active === null ? [] : () => resourceJson(type, active.bytes))),
  );
}

/** With what was refused; what is in force comes from the clusters themselves. */
export function endpointErrors(view: DumpView): Map<string, JsonObject> {
  const errors = new Map<string, JsonObject>();
  for (const { name, error } of wanted(view, ENDPOINTS_TYPE)()) {
    if (error !== null) errors.set(name, errorOf(ENDPOINTS_TYPE, error));
  }
  return errors;
}

/** Those of now, chosen while they are read. */
export function wanted({ record, isWanted }: DumpView, type: string): () => Generator<RecordedResource> {
  const all = [...record.of(type)];
  return function* () {
    for (const one of all) if (isWanted(one.name)) yield one;
  };
}

function versionOf({ record }: DumpView, type: string): JsonObject {
  const version = record.versionOf(type);
  return version === '' ? {} : { version_info: version };
}

function entryOf(type: string, field: string, { active, error }: RecordedResource): JsonObject {
  const good =
    active === null
      ? {}
      : {
          version_info: active.version,
          [field]: resourceJson(type, active.bytes),
          last_updated: timeText(active.updatedWallMs),
        };
  return { ...good, ...errorOf(type, error) };
}

/** Source: envoy.admin.v3.UpdateFailureState. */
export function errorOf(type: string, error: RecordedError | null): JsonObject {
  if (error === null) return {};
  return {
    error_state: {
      ...(error.bytes.length === 0 ? {} : { failed_configuration: resourceJson(type, error.bytes) }),
      last_update_attempt: timeText(error.attemptWallMs),
      details: error.details,
      version_info: error.version,
    },
  };
}
