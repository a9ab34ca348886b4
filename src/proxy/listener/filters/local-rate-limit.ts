// The local_ratelimit listener filter: closes connections for which a token bucket has no token.
import type { ConfigDecoder } from '../../config-decoder.ts';
import { decodeBucket, type TokenBucketPb } from '../../rate-limit/decode-bucket.ts';
import { bucketsAt } from '../../rate-limit/shared-token-bucket.ts';
import type { TokenBucket } from '../../rate-limit/token-bucket.ts';
import { defineListenerFilter, type ListenerFilter, type ListenerFilterContext } from '../filter.ts';

const CONFIG = 'envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit';

/** Below `listener_local_ratelimit.<stat_prefix>.` */
const STATS = { rate_limited: 'counter' } as const;

type LocalRateLimitPb = {
  stat_prefix?: string;
  token_bucket?: TokenBucketPb;
  runtime_enabled?: { default_value?: boolean; runtime_key?: string };
};

type LocalRateLimitConfig = {
  readonly statPrefix: string;
  readonly bucket: TokenBucket;
  readonly isEnabled: boolean;
  readonly runtimeKey: string;
};

function decode(message: LocalRateLimitPb, d: ConfigDecoder): LocalRateLimitConfig {
  const settings = decodeBucket(message.token_bucket ?? {}, d.at('token_bucket'));
  return Object.freeze({
    statPrefix: message.stat_prefix ?? '',
    bucket: bucketsAt(d)(settings, 'listener'),
    isEnabled: message.runtime_enabled?.default_value ?? true,
    runtimeKey: message.runtime_enabled?.runtime_key ?? '',
  });
}

function makeFilter(config: LocalRateLimitConfig, context: ListenerFilterContext): ListenerFilter {
  const { bucket, isEnabled, runtimeKey } = config;
  const { clock, runtime } = context;
  const stats = context.stats.scope(`listener_local_ratelimit.${config.statPrefix.replace(/\.+$/, '')}.`, STATS);
  return {
    maxReadBytes: 0,
    onAccept() {
      if (!runtime.boolean(runtimeKey, isEnabled) || bucket.take(clock.nowMs, 1)) return 'continue';
      stats.inc(stats.i.rate_limited);
      return 'close';
    },
  };
}

export const listenerLocalRateLimit = defineListenerFilter<LocalRateLimitConfig, LocalRateLimitPb>({
  name: 'envoy.filters.listener.local_ratelimit',
  configType: CONFIG,
  fields: {
    [CONFIG]: 'stat_prefix token_bucket runtime_enabled',
    'envoy.type.v3.TokenBucket': 'max_tokens tokens_per_fill fill_interval',
    'envoy.config.core.v3.RuntimeFeatureFlag': 'default_value runtime_key',
  },
  decode,
  create(config, context) {
    const filter = makeFilter(config, context);
    return () => filter;
  },
});
