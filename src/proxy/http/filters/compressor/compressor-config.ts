// The compressor filter's configuration: both directions, what a route changes, and the older fields.
import type { ConfigDecoder } from '../../../config-decoder.ts';
import { decodeStringMatcher, STRING_MATCHER_FIELDS, type StringMatcherPb } from '../../../config/matcher.ts';
import { decodeRuntimeFlag, RUNTIME_FLAG_FIELDS, type RuntimeFlag, type RuntimeFlagPb } from '../../../runtime-flag.ts';
import { ContentTypes } from './accept-encoding.ts';
import type { LibraryPb } from './library.ts';
import { COMPRESSOR_LIBRARY_FIELDS, type CompressorLibrary, decodeCompressorLibrary } from './libraries.ts';

const PACKAGE = 'envoy.extensions.filters.http.compressor.v3';
export const COMPRESSOR_TYPE = `${PACKAGE}.Compressor`;
export const COMPRESSOR_ROUTE_TYPE = `${PACKAGE}.CompressorPerRoute`;

export const COMPRESSOR_FIELDS = {
  [COMPRESSOR_TYPE]:
    'content_length content_type disable_on_etag_header remove_accept_encoding_header runtime_enabled ' +
    'compressor_library request_direction_config response_direction_config choose_first',
  [`${COMPRESSOR_TYPE}.CommonDirectionConfig`]: 'enabled min_content_length content_type content_type_matcher',
  [`${COMPRESSOR_TYPE}.RequestDirectionConfig`]: 'common_config',
  [`${COMPRESSOR_TYPE}.ResponseDirectionConfig`]:
    'common_config disable_on_etag_header remove_accept_encoding_header uncompressible_response_codes ' +
    'status_header_enabled weaken_etag_on_compress',
  [COMPRESSOR_ROUTE_TYPE]: 'disabled overrides',
  [`${PACKAGE}.CompressorOverrides`]: 'response_direction_config compressor_library',
  [`${PACKAGE}.ResponseDirectionOverrides`]: 'remove_accept_encoding_header',
  ...STRING_MATCHER_FIELDS,
  ...RUNTIME_FLAG_FIELDS,
  ...COMPRESSOR_LIBRARY_FIELDS,
} as const;

type CommonPb = {
  enabled?: RuntimeFlagPb;
  min_content_length?: number;
  content_type?: readonly string[];
  content_type_matcher?: readonly StringMatcherPb[];
};
type ResponsePb = {
  common_config?: CommonPb;
  disable_on_etag_header?: boolean;
  remove_accept_encoding_header?: boolean;
  uncompressible_response_codes?: readonly number[];
  status_header_enabled?: boolean;
  weaken_etag_on_compress?: boolean;
};
export type CompressorPb = {
  content_length?: number;
  content_type?: readonly string[];
  disable_on_etag_header?: boolean;
  remove_accept_encoding_header?: boolean;
  runtime_enabled?: RuntimeFlagPb;
  compressor_library?: LibraryPb;
  request_direction_config?: { common_config?: CommonPb };
  response_direction_config?: ResponsePb;
  choose_first?: boolean;
};
export type CompressorRoutePb = {
  disabled?: boolean;
  overrides?: {
    response_direction_config?: { remove_accept_encoding_header?: boolean };
    compressor_library?: LibraryPb;
  };
};

/** Envoy: DefaultMinimumContentLength, also for 0. */
const DEFAULT_MIN_CONTENT_LENGTH = 30;

export type Direction = {
  /** Null: always. */
  readonly enabled: RuntimeFlag | null;
  readonly minContentLength: number;
  readonly contentTypes: ContentTypes;
};

export type ResponseDirection = Direction & {
  readonly disableOnEtag: boolean;
  readonly weakenEtag: boolean;
  readonly removeAcceptEncoding: boolean;
  readonly uncompressibleCodes: ReadonlySet<number> | null;
  readonly hasStatusHeader: boolean;
};

export type CompressorConfig = {
  readonly library: CompressorLibrary | null;
  /** Null: requests are left alone. */
  readonly request: Direction | null;
  readonly response: ResponseDirection;
  /** Responses are counted under a prefix of their own. */
  readonly hasResponsePrefix: boolean;
  readonly chooseFirst: boolean;
};

/** Null members: as the chain says. */
export type CompressorRoute = {
  readonly isResponseEnabled: boolean | null;
  readonly removeAcceptEncoding: boolean | null;
  readonly library: CompressorLibrary | null;
};

export function decodeCompressor(message: CompressorPb, d: ConfigDecoder): CompressorConfig {
  const { request_direction_config: request, response_direction_config: response } = message;
  const older: CommonPb = {
    ...(message.runtime_enabled === undefined ? {} : { enabled: message.runtime_enabled }),
    ...(message.content_length === undefined ? {} : { min_content_length: message.content_length }),
    content_type: message.content_type ?? [],
  };
  const codes = response?.uncompressible_response_codes ?? [];
  const from = response ?? message;
  return Object.freeze({
    library: decodeCompressorLibrary(message.compressor_library, d.at('compressor_library')),
    request:
      request === undefined
        ? null
        : decodeDirection(request.common_config ?? {}, d.at('request_direction_config').at('common_config')),
    response: Object.freeze({
      ...(response === undefined
        ? decodeDirection(older, d)
        : decodeDirection(response.common_config ?? {}, d.at('response_direction_config').at('common_config'))),
      disableOnEtag: from.disable_on_etag_header ?? false,
      weakenEtag: response?.weaken_etag_on_compress ?? false,
      removeAcceptEncoding: from.remove_accept_encoding_header ?? false,
      uncompressibleCodes: codes.length === 0 ? null : new Set(codes),
      hasStatusHeader: response?.status_header_enabled ?? false,
    }),
    hasResponsePrefix: response !== undefined,
    chooseFirst: message.choose_first ?? false,
  });
}

function decodeDirection(message: CommonPb, d: ConfigDecoder): Direction {
  const matchers = (message.content_type_matcher ?? []).map((matcher, i) =>
    decodeStringMatcher(matcher, d.at('content_type_matcher', i)),
  );
  return {
    enabled: decodeRuntimeFlag(message.enabled),
    minContentLength: message.min_content_length || DEFAULT_MIN_CONTENT_LENGTH,
    contentTypes: new ContentTypes(message.content_type ?? [], matchers),
  };
}

export function decodeCompressorRoute(message: CompressorRoutePb, d: ConfigDecoder): CompressorRoute {
  const { overrides } = message;
  const response = overrides?.response_direction_config;
  const library = overrides?.compressor_library;
  return Object.freeze({
    isResponseEnabled: message.disabled === undefined ? (response === undefined ? null : true) : false,
    removeAcceptEncoding: response?.remove_accept_encoding_header ?? null,
    library:
      library === undefined ? null : decodeCompressorLibrary(library, d.at('overrides').at('compressor_library')),
  });
}
