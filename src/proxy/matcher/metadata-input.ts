// The input of dynamic metadata, which gives a value and no text: only a metadata matcher can look at it.
export const METADATA_INPUT = 'envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput';

/** Supported fields. */
export const METADATA_INPUT_FIELDS = {
  [METADATA_INPUT]: 'filter path',
  [`${METADATA_INPUT}.PathSegment`]: 'key',
} as const;
