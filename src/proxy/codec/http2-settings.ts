// How the connections of a listener or a cluster speak HTTP/2.
import { DEFAULT_HTTP2_OPTIONS, type Http2Options } from '../../wire/http2/options.ts';
import type { KeepaliveConfig } from './http2-keepalive.ts';

export type Http2Settings = {
  readonly wire: Http2Options;
  readonly keepalive: KeepaliveConfig | null;
};

export const DEFAULT_HTTP2_SETTINGS: Http2Settings = Object.freeze({ wire: DEFAULT_HTTP2_OPTIONS, keepalive: null });
