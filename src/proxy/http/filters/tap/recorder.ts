// One exchange that may be tapped: what is kept of it, and the trace that becomes of that.
import { isUtf8 } from 'node:buffer';
import type { Address } from '../../../../base/byte-stream.ts';
import { hasIp } from '../../../../base/ip.ts';
import { encodeBinary } from '../../../../proto/binary-encode.ts';
import type { Message, MessageType } from '../../../../proto/message-type.ts';
import { registry } from '../../../../proto/registry.ts';
import { encodeText } from '../../../../proto/text-encode.ts';
import { headerName } from '../../../../wire/header-names.ts';
import type { Headers } from '../../../../wire/headers.ts';
import type { BodyData, FilterStream } from '../../filter.ts';
import type { TraceSink } from '../../admin-taps.ts';
import type { TapRecords } from './tap-config.ts';
import { TapFile } from './tap-files.ts';
import { type BodyPart, type HeadPart, MatchProgress } from './tap-match.ts';
import { EXTENSIONS, type TapPlan } from './tap-plan.ts';
import { traceJson } from './trace-json.ts';

type KeptBody = { pieces: Buffer[]; bytes: number; isTruncated: boolean };

/** In the order in which a trace that starts late catches up. */
const PARTS = ['requestHeaders', 'requestBody', 'requestTrailers', 'responseHeaders', 'responseBody'] as const;

export class Recorder {
  readonly #plan: TapPlan;
  readonly #records: TapRecords;
  readonly #progress: MatchProgress;
  readonly #id: bigint;
  readonly #sink: TraceSink;
  readonly #onLost: () => void;
  readonly #heads: Partial<Record<HeadPart, Headers>> = {};
  readonly #bodies: Partial<Record<BodyPart, KeptBody>> = {};
  #requestMs = 0;
  #responseMs = 0;
  #isStreaming = false;

  constructor(plan: TapPlan, records: TapRecords, id: bigint, onLost: () => void) {
    this.#plan = plan;
    this.#records = records;
    this.#progress = new MatchProgress(plan.match);
    this.#id = id;
    this.#sink = plan.sink ?? new TapFile(`${plan.pathPrefix}_${id}${EXTENSIONS[plan.format]}`);
    this.#onLost = onLost;
  }

  onHead(part: HeadPart, headers: Headers, wallMs: number): void {
    this.#heads[part] = headers;
    if (part === 'requestHeaders') this.#requestMs = wallMs;
    if (part === 'responseHeaders') this.#responseMs = wallMs;
    this.#progress.onHead(part, headers);
    if (!this.#streams()) return;
    if (this.#isStreaming) this.#submit({ [SEGMENT[part]]: { headers: fieldsOf(headers) } });
    else this.#catchUp();
  }

  onBody(part: BodyPart, data: BodyData): void {
    if (data.length === 0) return;
    const bytes = data.buffer.subarray(data.start, data.end);
    this.#progress.onBody(part, bytes);
    if (this.#isStreaming) {
      const body = keep(undefined, bytes, this.#limit(part));
      this.#submit({ [SEGMENT[part]]: this.#bodyMessage(body) });
      return;
    }
    this.#bodies[part] = keep(this.#bodies[part], bytes, this.#limit(part));
    if (this.#streams()) this.#catchUp();
  }

  #limit(part: BodyPart): number {
    return part === 'requestBody' ? this.#plan.maxRequestBytes : this.#plan.maxResponseBytes;
  }

  #streams(): boolean {
    return this.#isStreaming || (this.#plan.isStreaming && this.#progress.isMatch);
  }

  /** It turned out to match now: what there is so far goes first. */
  #catchUp(): void {
    this.#isStreaming = true;
    for (const part of [...PARTS, 'responseTrailers'] as const) {
      const isBody = part === 'requestBody' || part === 'responseBody';
      const body = isBody ? this.#bodies[part] : undefined;
      const head = isBody ? undefined : this.#heads[part];
      if (head !== undefined) this.#submit({ [SEGMENT[part]]: { headers: fieldsOf(head) } });
      if (body !== undefined) this.#submit({ [SEGMENT[part]]: this.#bodyMessage(body) });
    }
    delete this.#bodies.requestBody;
    delete this.#bodies.responseBody;
  }

  /** The exchange is over. Returns whether it matched, as it was in the end. */
  end(stream: FilterStream): boolean {
    if (this.#plan.isStreaming || !this.#progress.isMatch) return this.#progress.isMatch;
    const trace: Message = {};
    const request = this.#message('request', this.#requestMs);
    const response = this.#message('response', this.#responseMs);
    if (request !== null) trace['request'] = request;
    if (response !== null) trace['response'] = response;
    const { connection, upstreamLocalAddress, upstreamRemoteAddress } = stream.info;
    if (this.#records.recordsDownstream) {
      trace['downstream_connection'] = connectionOf(connection.localAddress, connection.remoteAddress);
    }
    if (this.#records.recordsUpstream && upstreamLocalAddress !== null && upstreamRemoteAddress !== null) {
      trace['upstream_connection'] = connectionOf(upstreamLocalAddress, upstreamRemoteAddress);
    }
    this.#write({ http_buffered_trace: trace });
    return true;
  }

  #message(side: 'request' | 'response', ms: number): Message | null {
    const headers = this.#heads[`${side}Headers`];
    const trailers = this.#heads[`${side}Trailers`];
    const body = this.#bodies[`${side}Body`];
    if (headers === undefined && trailers === undefined && body === undefined) return null;
    const message: Message = {};
    if (headers !== undefined) message['headers'] = fieldsOf(headers);
    if (body !== undefined) message['body'] = this.#bodyMessage(body);
    if (trailers !== undefined) message['trailers'] = fieldsOf(trailers);
    if (this.#records.recordsTimes && ms > 0) message['headers_received_time'] = timestamp(ms);
    return message;
  }

  #bodyMessage({ pieces, isTruncated }: KeptBody): Message {
    const bytes = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
    const isText = this.#plan.format === 'JSON_BODY_AS_STRING';
    const truncated = isTruncated ? { truncated: true } : {};
    return isText ? { as_string: textOf(bytes), ...truncated } : { as_bytes: bytes, ...truncated };
  }

  #submit(segment: Message): void {
    this.#write({ http_streamed_trace_segment: { trace_id: this.#id, ...segment } });
  }

  #write(trace: Message): void {
    const { enabled, format } = this.#plan;
    if (enabled !== null) {
      const { numerator, denominator } = enabled.percent;
      const name = denominator === 100 ? 'HUNDRED' : denominator === 10_000 ? 'TEN_THOUSAND' : 'MILLION';
      trace['configured_sample_rate'] = { numerator, denominator: name };
    }
    const type = registry.message('envoy.data.tap.v3.TraceWrapper');
    this.#sink.write(serialise(type, trace, format), this.#onLost);
  }
}

const SEGMENT: Readonly<Record<HeadPart | BodyPart, string>> = {
  requestHeaders: 'request_headers',
  requestBody: 'request_body_chunk',
  requestTrailers: 'request_trailers',
  responseHeaders: 'response_headers',
  responseBody: 'response_body_chunk',
  responseTrailers: 'response_trailers',
};

function serialise(type: MessageType, trace: Message, format: TapPlan['format']): Buffer {
  if (format === 'PROTO_TEXT') return Buffer.from(encodeText(type, trace));
  if (format !== 'PROTO_BINARY' && format !== 'PROTO_BINARY_LENGTH_DELIMITED') {
    return Buffer.from(traceJson(type, trace));
  }
  const bytes = encodeBinary(type, trace);
  if (format === 'PROTO_BINARY') return Buffer.from(bytes);
  const length: number[] = [];
  let rest = bytes.length;
  for (; rest >= 128; rest >>>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

/** Copies what is borrowed, up to the limit. */
function keep(body: KeptBody | undefined, bytes: Buffer, limit: number): KeptBody {
  const kept = body ?? { pieces: [], bytes: 0, isTruncated: false };
  const take = Math.min(bytes.length, limit - kept.bytes);
  if (take < bytes.length) kept.isTruncated = true;
  if (take > 0) kept.pieces.push(Buffer.from(bytes.subarray(0, take)));
  kept.bytes += take;
  return kept;
}

function fieldsOf(headers: Headers): Message[] {
  const fields: Message[] = [];
  const add = (key: string, value: string): void => {
    fields.push({ key, value: textOf(Buffer.from(value, 'latin1')) });
  };
  if (headers.authority !== '') add(':authority', headers.authority);
  if (headers.path !== '') add(':path', headers.path);
  if (headers.method !== '') add(':method', headers.method);
  if (headers.scheme !== '') add(':scheme', headers.scheme);
  if (headers.status !== 0) add(':status', String(headers.status));
  const { kv } = headers;
  for (let i = 0; i < kv.length; i += 2) add(headerName(kv[i] as number | string), kv[i + 1] as string);
  return fields;
}

/** What is no UTF-8 becomes '!'. Source: Envoy MessageUtil::sanitizeUtf8String. */
function textOf(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  return isUtf8(bytes) ? text : text.replaceAll('\ufffd', '!');
}

function timestamp(ms: number): Message {
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.floor((ms - seconds * 1000) * 1000) * 1000 };
}

function connectionOf(local: Address, remote: Address): Message {
  return { local_address: addressOf(local), remote_address: addressOf(remote) };
}

function addressOf(address: Address): Message {
  if (!hasIp(address)) return { pipe: { path: address.address } };
  return { socket_address: { address: address.address, port_value: address.port } };
}
