// The local_ratelimit filter for connections (envoy.filters.network.local_ratelimit): a token per connection.
import type { ScopeOf } from '../../../telemetry/metrics.ts';
import type { ConfigDecoder } from '../../config-decoder.ts';
import { decodeBucket } from '../../rate-limit/decode-bucket.ts';
import type { TokenBucketPb } from '../../rate-limit/decode-bucket.ts';
import { SharedTokenBucket } from '../../rate-limit/shared-token-bucket.ts';
import { makeLocalTokenBucket } from '../../rate-limit/token-bucket.ts';
import type { TokenBucket, TokenBucketSettings } from '../../rate-limit/token-bucket.ts';
import { Flag } from '../../stream-info.ts';
import { defineNetworkFilter } from '../filter.ts';
import type { NetworkConnection, NetworkFilter, NetworkFilterContext, NetworkFilterStatus } from '../filter.ts';
import { RUNTIME_FLAG_FIELDS, decodeRuntimeFlag, isOn } from '../../runtime-flag.ts';
import type { RuntimeFlag, RuntimeFlagPb } from '../../runtime-flag.ts';

const TYPE = 'envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit';

/** Below `local_rate_limit.<stat_prefix>.` */
const STATS = { rate_limited: 'counter' } as const;

type LocalRateLimitPb = {
  stat_prefix?: string;
  token_bucket?: TokenBucketPb;
  runtime_enabled?: RuntimeFlagPb;
  share_key?: string;
};

type LocalRateLimitConfig = {
  readonly statPrefix: string;
  readonly settings: TokenBucketSettings;
  readonly enabled: RuntimeFlag | null;
  readonly shareKey: string;
};

function decode(message: LocalRateLimitPb, d: ConfigDecoder): LocalRateLimitConfig {
  return Object.freeze({
    statPrefix: message.stat_prefix ?? '',
    settings: decodeBucket(message.token_bucket ?? {}, d.at('token_bucket')),
    enabled: decodeRuntimeFlag(message.runtime_enabled),
    shareKey: message.share_key ?? '',
  });
}

/** Filters with the same share key and settings take from one bucket; and so do all workers, from the same filter's. */
function bucketOf({ settings, shareKey }: LocalRateLimitConfig, context: NetworkFilterContext): TokenBucket {
  const { shared, chainKey, slot } = context;
  if (shareKey === '') {
    if (shared.isLocal) return makeLocalTokenBucket(settings, '');
    return new SharedTokenBucket(settings, shared, `bucket ${chainKey}/${slot}`);
  }
  const { maxTokens, tokensPerFill, fillIntervalMs } = settings;
  const name = `network bucket ${maxTokens}/${tokensPerFill}/${fillIntervalMs}/${shareKey}`;
  return new SharedTokenBucket(settings, shared, name);
}

class LocalRateLimitFilter implements NetworkFilter {
  readonly #config: LocalRateLimitConfig;
  readonly #context: NetworkFilterContext;
  readonly #scope: ScopeOf<typeof STATS>;
  readonly #bucket: TokenBucket;

  constructor(config: LocalRateLimitConfig, context: NetworkFilterContext) {
    this.#config = config;
    this.#context = context;
    this.#scope = context.stats.scope(`local_rate_limit.${config.statPrefix}.`, STATS);
    this.#bucket = bucketOf(config, context);
  }

  onNewConnection(connection: NetworkConnection): NetworkFilterStatus {
    const { enabled } = this.#config;
    const { runtime, clock } = this.#context;
    if (!isOn(enabled, runtime)) return 'continue';
    if (this.#bucket.take(clock.nowMs, 1)) return 'continue';
    this.#scope.inc(this.#scope.i.rate_limited);
    // Envoy's flag for it is that of exceeded retries.
    connection.info.flags |= Flag.URX;
    connection.close('no-flush', 'local_ratelimit_close_over_limit');
    return 'stop';
  }
}

export const networkLocalRateLimit = defineNetworkFilter({
  name: 'envoy.filters.network.local_ratelimit',
  configType: TYPE,
  fields: {
    [TYPE]: 'stat_prefix token_bucket runtime_enabled share_key',
    'envoy.type.v3.TokenBucket': 'max_tokens tokens_per_fill fill_interval',
    ...RUNTIME_FLAG_FIELDS,
  },
  decode,
  create: (config, context) => new LocalRateLimitFilter(config, context),
});
