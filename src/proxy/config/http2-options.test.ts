// Http2ProtocolOptions: what each field becomes, defaults, and what is refused.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Http2ProtocolOptions } from '../../proto/generated/types.d.ts';
import { DEFAULT_HTTP2_OPTIONS } from '../../wire/http2/options.ts';
import { ConfigDecoder } from '../config-decoder.ts';
import { decodeHttp2Options, type Http2Surroundings } from './http2-options.ts';

const AROUND: Http2Surroundings = { maxHeadBytes: 1000, maxHeaders: 50, streamBufferBytes: 2000 };

function decode(message: Http2ProtocolOptions | undefined, around = AROUND) {
  const d = new ConfigDecoder({ unpack: () => null }, 'options');
  const settings = decodeHttp2Options(message, d, around);
  return { ...settings, reasons: d.reasons.map(({ path, reason }) => `${path}: ${reason}`) };
}

test('without fields everything is as in Envoy', () => {
  const { wire, keepalive, reasons } = decode(undefined);
  assert.deepEqual(reasons, []);
  assert.equal(keepalive, null);
  assert.deepEqual(wire, { ...DEFAULT_HTTP2_OPTIONS, maxHeadBytes: 1000, maxHeaders: 50, streamBufferBytes: 2000 });
});

test('each field takes effect', () => {
  const { wire, keepalive, reasons } = decode({
    hpack_table_size: 1,
    max_concurrent_streams: 2,
    initial_stream_window_size: 65_535,
    initial_connection_window_size: 65_536,
    allow_connect: true,
    max_outbound_frames: 3,
    max_outbound_control_frames: 4,
    max_consecutive_inbound_frames_with_empty_payload: 0,
    max_inbound_priority_frames_per_stream: 5,
    max_inbound_window_update_frames_per_data_frame_sent: 6,
    override_stream_error_on_invalid_http_message: true,
    connection_keepalive: {
      interval: { seconds: 1, nanos: 0 },
      timeout: { seconds: 2, nanos: 0 },
      interval_jitter: { value: 5 },
      connection_idle_interval: { seconds: 3, nanos: 0 },
    },
    enable_huffman_encoding: false,
    max_header_field_size_kb: 64,
    disallow_obs_text: true,
    stream_reset_burst: 7n,
    stream_reset_rate: 8n,
  });
  assert.deepEqual(reasons, []);
  assert.deepEqual(keepalive, { intervalMs: 1000, timeoutMs: 2000, jitterPercent: 5, idleIntervalMs: 3000 });
  assert.deepEqual(wire, {
    hpackTableBytes: 1,
    maxConcurrentStreams: 2,
    initialStreamWindow: 65_535,
    largestStreamWindow: 65_535,
    initialConnectionWindow: 65_536,
    returnsConnectionCreditEarly: false,
    allowConnect: true,
    maxOutboundFrames: 3,
    maxOutboundControlFrames: 4,
    maxConsecutiveEmptyFrames: 0,
    maxPriorityFramesPerStream: 5,
    maxWindowUpdatesPerDataFrame: 6,
    streamResetBurst: 7,
    streamResetRate: 8,
    streamErrorOnInvalidMessage: true,
    useHuffman: false,
    disallowObsText: true,
    maxFieldBytes: 65_536,
    customSettings: [],
    maxHeadBytes: 1000,
    maxHeaders: 50,
    streamBufferBytes: 2000,
    maxContinuations: DEFAULT_HTTP2_OPTIONS.maxContinuations,
  });
});

test('who decides what an invalid message ends', () => {
  const of = (message: Http2ProtocolOptions, streamErrorOnInvalidMessage?: boolean): boolean =>
    decode(message, { ...AROUND, streamErrorOnInvalidMessage }).wire.streamErrorOnInvalidMessage;
  assert.equal(of({}), false);
  assert.equal(of({ stream_error_on_invalid_http_messaging: true }), true);
  assert.equal(of({}, true), true);
  assert.equal(of({ override_stream_error_on_invalid_http_message: false }, true), false);
});

test('settings of its own: those that have a meaning here take effect, the others are told', () => {
  const { wire, reasons } = decode({
    custom_settings_parameters: [
      { identifier: 1, value: 10 },
      { identifier: 2, value: 0 },
      { identifier: 3, value: 11 },
      { identifier: 4, value: 12 },
      { identifier: 5, value: 20_000 },
      { identifier: 16, value: 13 },
      { identifier: 16, value: 13 },
    ],
  });
  assert.deepEqual(reasons, []);
  assert.deepEqual(
    [wire.hpackTableBytes, wire.maxConcurrentStreams, wire.initialStreamWindow, wire.largestStreamWindow],
    [10, 11, 12, 12],
  );
  assert.deepEqual(wire.customSettings, [5, 20_000, 16, 13]);
});

test('keepalive without a jitter has 15 per cent', () => {
  const { keepalive } = decode({ connection_keepalive: { timeout: { seconds: 1, nanos: 0 } } });
  assert.deepEqual(keepalive, { intervalMs: 0, timeoutMs: 1000, jitterPercent: 15, idleIntervalMs: 0 });
});

test('what cannot take effect is refused', () => {
  const refused = (message: Http2ProtocolOptions, reason: string): void =>
    assert.deepEqual(decode(message).reasons, [`options.${reason}`]);
  const custom = (...list: [number, number][]): Http2ProtocolOptions => ({
    custom_settings_parameters: list.map(([identifier, value]) => ({ identifier, value })),
  });
  refused({ allow_metadata: true }, 'allow_metadata: METADATA frames are not supported');
  refused({ max_metadata_size: 5n }, 'max_metadata_size: takes no effect: METADATA frames are not supported');
  refused({ use_oghttp2_codec: true }, 'use_oghttp2_codec: only the other codec is imitated');
  assert.deepEqual(decode({ allow_metadata: false, use_oghttp2_codec: false }).reasons, []);
  const at = 'custom_settings_parameters: ';
  refused(
    custom([8, 1]),
    `${at}the "allow_connect" SETTINGS parameter must only be configured through the named field`,
  );
  refused(
    custom([2, 1]),
    `${at}server push is not supported by Envoy and can not be enabled via a SETTINGS parameter.`,
  );
  refused(
    custom([4, 70_000], [4, 70_001], [16, 1], [16, 2]),
    `${at}inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {0x04,0x10}`,
  );
  refused(
    { ...custom([4, 70_000], [1, 7]), initial_stream_window_size: 80_000, hpack_table_size: 1 },
    `${at}the {initial_stream_window_size,hpack_table_size} HTTP/2 SETTINGS parameter(s) can not be configured ` +
      'through both named and custom parameters',
  );
  refused(custom([5, 1]), `${at}SETTINGS_MAX_FRAME_SIZE is between 16384 and 16777215`);
  refused(custom([4, 0x8000_0000]), `${at}a window has 2147483647 bytes at most`);
});
