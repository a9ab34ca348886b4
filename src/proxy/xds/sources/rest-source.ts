// Resources from a REST server, which is asked from time to time.
import type { Random } from '../../../base/clock.ts';
import type { DiscoveryRequest } from '../../../proto/generated/types.d.ts';
import { fromJson } from '../../../proto/json-decode.ts';
import { toJson } from '../../../proto/json-encode.ts';
import { registry } from '../../../proto/registry.ts';
import { Report } from '../../../proto/report.ts';
import { H } from '../../../wire/header-names.ts';
import { Headers } from '../../../wire/headers.ts';
import { PollSource, type PollParts, type Poller, type PollResult } from '../../../xds/client/poll.ts';
import { SERVICES } from '../../../xds/client/services.ts';
import type { XdsSource } from '../../../xds/client/types.ts';
import { type BufferedResponse, sendRequest } from '../../cluster/upstream-client/buffered-request.ts';
import type { HttpClient } from '../../cluster/upstream-client/http-client.ts';
import type { JudgeUnknown } from '../judge-unknown.ts';
import type { RestPlace } from '../place.ts';

export type RestParts = PollParts & { readonly http: HttpClient; readonly judgeUnknown: JudgeUnknown };

export function restSource(parts: RestParts, place: RestPlace): XdsSource {
  return new PollSource(parts, () => new RestPoller(parts, place));
}

/** Decoders refuse to ask REST servers for types that those do not serve. */
function pathOf(type: string): string {
  return SERVICES.get(type)?.path ?? '';
}

/** Source: Envoy HttpSubscriptionImpl, RestApiFetcher. */
class RestPoller implements Poller {
  readonly #http: HttpClient;
  readonly #place: RestPlace;
  readonly #random: Random;
  readonly #judge: JudgeUnknown;
  readonly absentText = null;

  constructor({ http, judgeUnknown }: RestParts, place: RestPlace) {
    this.#http = http;
    this.#judge = judgeUnknown;
    this.#place = place;
    this.#random = http.random;
  }

  fetch(type: string, request: DiscoveryRequest, onResult: (result: PollResult) => void): () => void {
    const { clusterName, timeoutMs } = this.#place;
    const path = pathOf(type);
    const body = Buffer.from(jsonOf(request), 'utf8');
    const headers = new Headers();
    headers.method = 'POST';
    headers.path = path;
    headers.authority = clusterName;
    headers.hasAuthority = true;
    headers.scheme = 'http';
    headers.add(H['content-type'], 'application/json');
    headers.add(H['content-length'], String(body.length));
    const options = { timeoutMs, bufferLimitBytes: Math.max(body.length, MIN_BUFFER_BYTES) };
    const call = sendRequest(this.#http, clusterName, headers, body, options, (response) => {
      onResult(resultOf(response, path, this.#judge));
    });
    return () => call.cancel();
  }

  /** Twice as long at most, so that not all proxies ask at once. */
  nextMs(): number {
    const { refreshMs } = this.#place;
    return refreshMs + this.#random.below(Math.max(1, Math.floor(refreshMs)));
  }

  refusedText(type: string, reason: string): string {
    return `REST config for ${pathOf(type)} rejected: ${reason}`;
  }

  timedOutText(type: string): string {
    return `REST config: initial fetch timeout for ${pathOf(type)}`;
  }

  close(): void {}
}

function jsonOf(request: DiscoveryRequest): string {
  const type = registry.message('envoy.service.discovery.v3.DiscoveryRequest');
  return JSON.stringify(toJson(type, request, { preserveProtoFieldNames: true }));
}

const MIN_BUFFER_BYTES = 64 * 1024;

function resultOf(response: BufferedResponse | null, path: string, judge: JudgeUnknown): PollResult {
  const status = response?.headers.status ?? 0;
  if (status === 304) return { kind: 'unchanged' };
  if (response === null || status !== 200) {
    return { kind: 'failed', text: `REST update for ${path} failed`, isFinal: false };
  }
  let json: unknown;
  try {
    json = JSON.parse(response.body.toString('utf8'));
  } catch (error) {
    return { kind: 'rejected', text: `Unable to parse JSON as proto (${(error as Error).message})` };
  }
  const report = new Report();
  const type = registry.message('envoy.service.discovery.v3.DiscoveryResponse');
  const message = fromJson(type, json, report);
  if (!report.onlyUnknownFields) return { kind: 'rejected', text: `Unable to parse JSON as proto (${report})` };
  const [refused] = judge(type as never, message, report, path);
  return refused === undefined
    ? { kind: 'response', message }
    : { kind: 'rejected', text: `${refused.path}: ${refused.reason}` };
}
