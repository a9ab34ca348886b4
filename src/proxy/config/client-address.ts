// Decodes who clients are taken for: detection extensions, trusted hops, internal addresses, forwarded ports.
import { type Cidr, CidrSet, parseIp } from '../../base/ip.ts';
import type { HttpConnectionManager, StatusCode, TypedExtensionConfig } from '../../proto/generated/types.d.ts';
import { registry } from '../../proto/registry.ts';
import { headerKey } from '../../wire/header-names.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import {
  type AddressDetection,
  HeaderDetection,
  HopDetection,
  isPrivate,
  TrustedProxyDetection,
} from '../http/client-address.ts';
import { type CidrRangePb, decodeCidrs } from './matcher.ts';

const CUSTOM_HEADER = 'envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig';
const XFF = 'envoy.extensions.http.original_ip_detection.xff.v3.XffConfig';
const TRUSTED_CIDRS = 'envoy.extensions.http.original_ip_detection.xff.v3.XffTrustedCidrs';

export const CLIENT_ADDRESS_FIELDS = {
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig':
    'unix_sockets cidr_ranges',
  'envoy.extensions.filters.network.http_connection_manager.v3.ForwardProtoConfig':
    'https_destination_ports http_destination_ports',
  [CUSTOM_HEADER]: 'header_name allow_extension_to_set_address_as_trusted reject_with_status',
  [XFF]: 'xff_num_trusted_hops xff_trusted_cidrs skip_xff_append',
  [TRUSTED_CIDRS]: 'cidrs',
  'envoy.type.v3.HttpStatus': 'code',
} as const;

type CustomHeaderPb = {
  readonly header_name?: string;
  readonly allow_extension_to_set_address_as_trusted?: boolean;
  readonly reject_with_status?: { readonly code?: StatusCode };
};

type XffPb = {
  readonly xff_num_trusted_hops?: number;
  readonly xff_trusted_cidrs?: { readonly cidrs?: readonly CidrRangePb[] };
  readonly skip_xff_append?: boolean;
};

/** Texts are Envoy's. */
export function decodeDetections(message: HttpConnectionManager, d: ConfigDecoder): readonly AddressDetection[] {
  const extensions = message.original_ip_detection_extensions ?? [];
  const { use_remote_address: isEdge = false, xff_num_trusted_hops: hops = 0 } = message;
  if (extensions.length === 0) return isEdge ? [] : [new HopDetection(hops, false)];
  const field = 'original_ip_detection_extensions';
  if (isEdge) d.reject(field, 'Original IP detection extensions and use_remote_address may not be mixed');
  else if (hops > 0) d.reject(field, 'Original IP detection extensions and xff_num_trusted_hops may not be mixed');
  return extensions.flatMap((extension, i) => decodeDetection(extension, d.at(field, i)) ?? []);
}

function decodeDetection(extension: TypedExtensionConfig, d: ConfigDecoder): AddressDetection | null {
  const at = d.at('typed_config');
  const unpacked = d.environment.unpack(extension.typed_config, at);
  if (unpacked === null) return null;
  if (unpacked.type === CUSTOM_HEADER) return decodeCustomHeader(unpacked.message as CustomHeaderPb);
  if (unpacked.type === XFF) return decodeXff(unpacked.message as XffPb, at);
  d.reject('', `Original IP detection extension not found: '${extension.name ?? ''}' (${unpacked.type})`);
  return null;
}

/** Statuses that are none of a refusal become this one, as in Envoy. */
const DEFAULT_REJECT_STATUS = 403;

function decodeCustomHeader(message: CustomHeaderPb): AddressDetection {
  const { header_name: name = '', allow_extension_to_set_address_as_trusted: isTrusted = false } = message;
  let status = 0;
  if (message.reject_with_status !== undefined) {
    status = statusNumber(message.reject_with_status.code);
    if (status < 400 || status > 511) status = DEFAULT_REJECT_STATUS;
  }
  return new HeaderDetection(headerKey(name.toLowerCase()), isTrusted, status);
}

function statusNumber(code: StatusCode | undefined): number {
  if (typeof code === 'number') return code;
  return code === undefined ? 0 : (registry.enum('envoy.type.v3.StatusCode')?.number(code) ?? 0);
}

function decodeXff(message: XffPb, d: ConfigDecoder): AddressDetection {
  const { xff_num_trusted_hops: hops = 0, xff_trusted_cidrs: trusted, skip_xff_append: skipsAppend = true } = message;
  if (trusted === undefined) return new HopDetection(hops, !skipsAppend);
  if (hops > 0) d.reject('', 'Cannot set both xff_num_trusted_hops and xff_trusted_cidrs');
  const cidrs = decodeCidrs(trusted.cidrs, d.at('xff_trusted_cidrs'), 'cidrs');
  if (cidrs.length === 0) return new HopDetection(hops, !skipsAppend);
  return new TrustedProxyDetection(new CidrSet(cidrs), !skipsAppend);
}

/** Since Envoy 1.33 no address is internal unless it is said here; a message without ranges means private ones. */
export function decodeInternalAddresses(
  message: HttpConnectionManager,
  d: ConfigDecoder,
): (address: string) => boolean {
  const config = message.internal_address_config;
  if (config === undefined) return () => false;
  const isInternalPath = config.unix_sockets ?? false;
  const at = d.at('internal_address_config');
  const cidrs: readonly Cidr[] = decodeCidrs(
    config.cidr_ranges as readonly CidrRangePb[] | undefined,
    at,
    'cidr_ranges',
  );
  const set = new CidrSet(cidrs);
  const isInternalIp = cidrs.length === 0 ? isPrivateAddress : (address: string) => set.contains(address);
  return (address) => (address.startsWith('/') ? isInternalPath : isInternalIp(address));
}

function isPrivateAddress(address: string): boolean {
  const ip = parseIp(address);
  return ip !== null && isPrivate(ip);
}

/** forward_proto_config; a port in both lists stands for https. */
export function decodeSchemeByPort({
  forward_proto_config: config,
}: HttpConnectionManager): ReadonlyMap<number, 'http' | 'https'> | null {
  if (config === undefined) return null;
  const { http_destination_ports: plain = [], https_destination_ports: secure = [] } = config;
  return new Map([...plain.map((port) => [port, 'http'] as const), ...secure.map((port) => [port, 'https'] as const)]);
}
