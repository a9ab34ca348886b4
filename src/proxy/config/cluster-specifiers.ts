// Decodes the plugins that name the cluster of a request.
import { bytesOf } from '../../base/matcher-text.ts';
import type { ClusterSpecifierPlugin } from '../../proto/generated/types.d.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import { exchangeInput, EXCHANGE_INPUT_FIELDS } from '../matcher/exchange-inputs.ts';
import { decodeMatcher, MATCHER_TREE_FIELDS, type MatcherPb } from '../matcher/matcher.ts';
import type { Input } from '../matcher/step.ts';
import { type ClusterSpecifier, ABSENT_PLUGIN } from '../route/cluster-specifier.ts';
import type { StreamInfo } from '../stream-info.ts';
import { decodeLuaSpecifier, LUA_SPECIFIER, LUA_SPECIFIER_FIELDS } from '../lua/cluster-specifier.ts';
import { parseQuery } from './matcher.ts';

const MATCHER = 'envoy.extensions.router.cluster_specifiers.matcher.v3.MatcherClusterSpecifier';
const QUERY_INPUT = 'envoy.type.matcher.v3.HttpRequestQueryParamMatchInput';
const CLUSTER_ACTION = 'envoy.extensions.router.cluster_specifiers.matcher.v3.ClusterAction';

export const CLUSTER_SPECIFIER_FIELDS = {
  ...MATCHER_TREE_FIELDS,
  ...EXCHANGE_INPUT_FIELDS,
  'envoy.config.route.v3.ClusterSpecifierPlugin': 'extension is_optional',
  'envoy.config.core.v3.TypedExtensionConfig': 'name typed_config',
  ...LUA_SPECIFIER_FIELDS,
  [MATCHER]: 'cluster_matcher',
  [CLUSTER_ACTION]: 'cluster',
  [QUERY_INPUT]: 'query_param',
} as const;

type Decode = (message: never, d: ConfigDecoder) => ClusterSpecifier;

/** By the full names of their messages. */
const SPECIFIERS: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  [MATCHER, decodeMatcherSpecifier],
  [LUA_SPECIFIER, (message, d) => decodeLuaSpecifier(message, d) ?? ABSENT_PLUGIN],
]);

/** An optional plugin that is not there is told as such. */
export function decodeClusterSpecifier(message: ClusterSpecifierPlugin, d: ConfigDecoder): ClusterSpecifier {
  const at = d.at('extension').at('typed_config');
  const unpacked = d.environment.unpack(message.extension?.typed_config, at);
  if (unpacked === null) return ABSENT_PLUGIN;
  const decode = SPECIFIERS.get(unpacked.type);
  if (decode !== undefined) return decode(unpacked.message as never, at);
  if (message.is_optional !== true) at.reject('', `${unpacked.type} is no cluster specifier that is supported`);
  return ABSENT_PLUGIN;
}

/** The plugins of a route configuration, by name. */
export function decodeClusterSpecifiers(
  messages: readonly ClusterSpecifierPlugin[] | undefined,
  d: ConfigDecoder,
): ReadonlyMap<string, ClusterSpecifier> {
  const plugins = new Map<string, ClusterSpecifier>();
  for (const [i, message] of (messages ?? []).entries()) {
    const at = d.at('cluster_specifier_plugins', i);
    const name = message.extension?.name ?? '';
    if (plugins.has(name)) at.reject('extension.name', `duplicated cluster specifier plugin ${name}`);
    plugins.set(name, decodeClusterSpecifier(message, at));
  }
  return plugins;
}

/** A parameter of the query. */
function queryInput(message: object): Input<StreamInfo, Headers> {
  const name = bytesOf((message as { query_param?: string }).query_param ?? '');
  return (_info, headers) => parseQuery(headers.path).get(name);
}

function decodeMatcherSpecifier(message: { cluster_matcher?: MatcherPb }, d: ConfigDecoder): ClusterSpecifier {
  const clusters: string[] = [];
  const choose = decodeMatcher<StreamInfo, Headers>(
    message.cluster_matcher ?? {},
    {
      input: (type, input) => (type === QUERY_INPUT ? queryInput(input) : exchangeInput(type, input)),
      metadata: (info) => info.dynamicMetadata,
      action(type, action, at) {
        if (type !== CLUSTER_ACTION) at.reject('', `${type} is no cluster`);
        return clusters.push((action as { cluster?: string }).cluster ?? '') - 1;
      },
    },
    d.at('cluster_matcher'),
  );
  return {
    choose(headers, { format }) {
      const at = choose(format.info, headers);
      return at < 0 ? '' : (clusters[at] as string);
    },
  };
}
