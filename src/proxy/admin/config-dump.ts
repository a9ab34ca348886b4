// The endpoint /config_dump: the configuration in force as protobuf JSON, in the messages of envoy.admin.v3.
import type { Clock } from '../../base/clock.ts';
import { compileRegex } from '../../base/regex.ts';
import { runInSlices } from '../../base/slices.ts';
import { registry } from '../../proto/registry.ts';
import { TYPE_URL_PREFIX, typeUrlName } from '../../proto/type-url.ts';
import type { AdminHandler, AdminRequest, AdminResponse, LaterAdminResponse } from './admin-handler.ts';
import { applyMask, type JsonObject, parseMask, redact } from './dump-json.ts';
import { type Dump, makeDumps, viewOf } from './dump-sections.ts';
import { hasForwardProxy } from './sub-cluster-dump.ts';
import { CONFIG_DUMP_PARAMS } from './help-texts.ts';
import type { AdminContext } from './handlers.ts';
import { JsonList, JsonTree, jsonDocument } from './json-writer.ts';

export function configDumpHandlers(context: AdminContext): AdminHandler[] {
  return [
    {
      path: '/config_dump',
      help: 'dump current Envoy configs',
      mutates: false,
      params: CONFIG_DUMP_PARAMS,
      handle: (request) => configDump(context, request),
    },
  ];
}

function configDump(context: AdminContext, request: AdminRequest): AdminResponse | LaterAdminResponse {
  const { crew, clock } = context.proxy;
  const { query } = request;
  const nameRegex = query.get('name_regex');
  const regex = nameRegex === null ? null : compileRegex(nameRegex);
  if (regex !== null && 'error' in regex)
    return wrong(400, `INVALID_ARGUMENT: Error while parsing name_regex from ${nameRegex}: ${regex.error}\n`);
  const isWanted = (name: string): boolean => regex === null || regex.matches(name);
  const hasEndpoints = query.has('include_eds');
  return {
    later: (answer) =>
      crew.refresh(() => {
        const view = viewOf(context, isWanted);
        const asks = hasEndpoints || hasForwardProxy(context.proxy);
        if (!asks) answerOf(makeDumps(context, view, null), query, clock, answer);
        else {
          crew.clusters((clusters) => answerOf(makeDumps(context, view, clusters, hasEndpoints), query, clock, answer));
        }
      }),
  };
}

type Tell = (response: AdminResponse) => void;

/** `resource` picks one repeated field out of all dumps; `mask` fields of each. */
function answerOf(dumps: readonly Dump[], query: URLSearchParams, clock: Clock, answer: Tell): void {
  const resource = query.get('resource');
  const paths = parseMask(query.get('mask'));
  if (resource !== null) {
    answerResource(dumps, resource, paths, clock, answer);
    return;
  }
  if (paths.length === 0) {
    answer(ok(dumps.map(({ make }) => new JsonList(() => [make()]))));
    return;
  }
  // A mask that does not fit a dump is no error: it may fit another.
  const masked = dumps.flatMap(({ type, make }) => {
    const kept = applyMask(typeUrlName(type), make(), paths);
    return kept === null ? [] : [new JsonList(() => [kept])];
  });
  const none = `FieldMask ${query.get('mask')} could not be successfully applied to any configs.`;
  answer(masked.length === 0 ? wrong(400, none) : ok(masked));
}

function wrong(status: number, body: string): AdminResponse {
  return { status, contentType: 'text/plain', body };
}

function answerResource(
  dumps: readonly Dump[],
  resource: string,
  paths: readonly string[],
  clock: Clock,
  answer: Tell,
): void {
  // Endpoints are dumped only when they are asked for: then they are among the dumps.
  for (const { type: typeUrl, make } of dumps) {
    const field = registry.find(typeUrlName(typeUrl))?.fieldByName(resource);
    if (field === undefined) continue;
    if (!field.repeated) {
      const text = `${resource} is not a repeated field. Use ?mask=${resource} to get only this field`;
      answer(wrong(400, text));
      return;
    }
    const type = field.message.fullName;
    if (paths.some((path) => isWholeAny(type, path))) {
      answer(wrong(400, badMask(paths)));
      return;
    }
    const entries = (make().fields[resource] ?? []) as Iterable<JsonObject | JsonTree>;
    const typed = (entry: JsonObject | JsonTree): JsonTree =>
      new JsonTree({ '@type': TYPE_URL_PREFIX + type, ...(entry instanceof JsonTree ? entry.fields : entry) });
    if (paths.length === 0) {
      const all = function* (): Generator<JsonTree> {
        for (const entry of entries) yield typed(entry);
      };
      answer(ok([new JsonList(all)]));
      return;
    }
    runInSlices({ clock }, masked(entries, typed, type, paths), (kept) =>
      answer(kept === null ? wrong(400, badMask(paths)) : ok([new JsonList(() => kept)])),
    );
    return;
  }
  answer(wrong(404, `${resource} not found in config dump`));
}

/** Envoy takes what is behind a field of any type for a mask of its own, which may not be empty. */
function isWholeAny(type: string, path: string): boolean {
  const field = registry.find(type)?.fieldByName(path);
  return field?.kind === 'message' && field.message.wellKnown === 'any';
}

/** All of them, before the first is answered: one that the mask does not fit makes it a wrong request. */
function* masked(
  entries: Iterable<JsonObject | JsonTree>,
  typed: (entry: JsonObject | JsonTree) => JsonTree,
  type: string,
  paths: readonly string[],
): Generator<void, JsonTree[] | null> {
  const all: JsonTree[] = [];
  for (const entry of entries) {
    const kept = applyMask(type, typed(entry), paths);
    if (kept === null) return null;
    all.push(kept);
    yield;
  }
  return all;
}

/** Envoy prints the mask in protobuf's debug form. */
function badMask(paths: readonly string[]): string {
  const lines = paths.map((path) => `paths: ${JSON.stringify(path)}\n`).join('');
  return `FieldMask goo.gle/debugproto   \n${lines} could not be successfully used.`;
}

function ok(parts: readonly JsonList[]): AdminResponse {
  const configs = new JsonList(function* () {
    for (const part of parts) yield* part;
  });
  return { status: 200, contentType: 'application/json', body: jsonDocument(new JsonTree({ configs }), redact) };
}
