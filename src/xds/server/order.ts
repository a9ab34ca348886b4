// In which order types are sent, so that nothing names what the client does not have.
import { typeUrlOf } from '../../proto/type-url.ts';
import { LIVE_TYPE_URL } from '../client/live-reports.ts';
import {
  CLUSTER_TYPE,
  ENDPOINT_TYPE,
  EXTENSION_TYPE,
  LISTENER_TYPE,
  ROUTE_TYPE,
  SCOPED_ROUTE_TYPE,
  SECRET_TYPE,
  VIRTUAL_HOST_TYPE,
} from '../client/services.ts';

export const CLUSTER_URL = typeUrlOf(CLUSTER_TYPE);
export const ENDPOINT_URL = typeUrlOf(ENDPOINT_TYPE);
export const LISTENER_URL = typeUrlOf(LISTENER_TYPE);
export const SCOPED_ROUTE_URL = typeUrlOf(SCOPED_ROUTE_TYPE);
export const ROUTE_URL = typeUrlOf(ROUTE_TYPE);
export const VIRTUAL_HOST_URL = typeUrlOf(VIRTUAL_HOST_TYPE);
export const SECRET_URL = typeUrlOf(SECRET_TYPE);
export const EXTENSION_URL = typeUrlOf(EXTENSION_TYPE);

// CDS → EDS → LDS → (scopes) → RDS → VHDS → rest, then what is gone of clusters, endpoints and the rest.
const ORDER: readonly string[] = [
  CLUSTER_URL,
  ENDPOINT_URL,
  LISTENER_URL,
  SCOPED_ROUTE_URL,
  ROUTE_URL,
  VIRTUAL_HOST_URL,
];

/** Smaller goes first. */
export function rankOf(typeUrl: string): number {
  const index = ORDER.indexOf(typeUrl);
  return index < 0 ? ORDER.length : index;
}

/** Types whose resources name clusters: what they name stays until they no longer do. */
export const USER_TYPES: ReadonlySet<string> = new Set([LISTENER_URL, SCOPED_ROUTE_URL, ROUTE_URL, VIRTUAL_HOST_URL]);

/** Types of which state of the world says everything in each response. */
export const FULL_TYPES: ReadonlySet<string> = new Set([CLUSTER_URL, LISTENER_URL, SCOPED_ROUTE_URL]);

/**
 * Types of which a first request without names asks for nothing. Source: istiod, IsWildcardTypeURL. Virtual hosts are
 * not among them: Envoy, and Heddle's proxies, ask for all there are.
 */
export const NAMED_TYPES: ReadonlySet<string> = new Set([ENDPOINT_URL, ROUTE_URL, SECRET_URL, EXTENSION_URL]);

/** Types whose names begin with what they belong to, and that are subscribed to by it: 'ROUTE/'. */
export const SPACED_TYPES: ReadonlySet<string> = new Set([VIRTUAL_HOST_URL]);

/**
 * The type of a Heddle proxy's reports: `response_nonce` says up to which response (of any type) everything is in
 * effect; without one, what it had when it connected is. They are never answered.
 */
export const LIVE_URL = LIVE_TYPE_URL;
