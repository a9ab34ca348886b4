// Decodes early_header_mutation_extensions: changes of a request before anything else is done to it.
import type { HttpConnectionManager, TypedExtensionConfig } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import {
  decodeFieldMutations,
  type FieldMutation,
  HEADER_MUTATION_FIELDS,
  type HeaderMutationPb,
} from '../http/filters/header-mutation/field-mutations.ts';

const HEADER_MUTATION = 'envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation';

export const EARLY_HEADER_FIELDS = { [HEADER_MUTATION]: 'mutations', ...HEADER_MUTATION_FIELDS } as const;

/** The mutations of all extensions in their order: each sees what those before it did. Null for none. */
export function decodeEarlyHeaders(message: HttpConnectionManager, d: ConfigDecoder): readonly FieldMutation[] | null {
  const field = 'early_header_mutation_extensions';
  const extensions = message[field] ?? [];
  const mutations = extensions.flatMap((extension, i) => decodeExtension(extension, d.at(field, i)));
  return mutations.length === 0 ? null : Object.freeze(mutations);
}

function decodeExtension(extension: TypedExtensionConfig, d: ConfigDecoder): readonly FieldMutation[] {
  const at = d.at('typed_config');
  const unpacked = d.environment.unpack(extension.typed_config, at);
  if (unpacked === null) return [];
  if (unpacked.type !== HEADER_MUTATION) {
    d.reject('', `Early header mutation extension not found: '${extension.name ?? ''}' (${unpacked.type})`);
    return [];
  }
  const { mutations } = unpacked.message as { readonly mutations?: readonly HeaderMutationPb[] };
  return decodeFieldMutations(mutations, 'request', at, 'mutations');
}
