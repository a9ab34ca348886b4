// The text of a refusal (NACK): all reasons with the names of their resources, as Envoy words it.
import { CLUSTER_TYPE, LISTENER_TYPE } from './services.ts';
import type { XdsRefusal } from './types.ts';

/** Source: Envoy Config::Utility::truncateGrpcStatusMessage. */
const MAX_TEXT = 4096;
const TRUNCATED = '...(truncated)';

export function refusalText(type: string, refused: readonly XdsRefusal[]): string {
  const text = join(type, refused);
  return text.length <= MAX_TEXT ? text : text.slice(0, MAX_TEXT) + TRUNCATED;
}

/** Source: Envoy CdsApiImpl, LdsApiImpl; of other types Envoy tells one reason without a name. */
function join(type: string, refused: readonly XdsRefusal[]): string {
  const lines = refused.map(({ name, reason }) => (name === '' ? reason : `${name}: ${reason}`));
  if (type === CLUSTER_TYPE) return `Error adding/updating cluster(s) ${lines.join(', ')}`;
  if (type === LISTENER_TYPE) return `Error adding/updating listener(s) ${lines.map((line) => `${line}\n`).join('')}`;
  return lines.join(', ');
}
