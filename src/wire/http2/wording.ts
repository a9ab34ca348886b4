// What Envoy says of connections that end by a fault of the peer.
import type { Http2Counter } from './flood-guard.ts';

/** What Envoy says of floods. */
export const FLOOD_TEXTS: Partial<Record<Http2Counter, string>> = {
  inbound_empty_frames_flood: 'Too many consecutive frames with an empty payload',
  inbound_priority_frames_flood: 'Too many PRIORITY frames',
  inbound_window_update_frames_flood: 'Too many WINDOW_UPDATE frames',
  outbound_control_flood: 'Too many control frames in the outbound queue.',
  outbound_flood: 'Too many frames in the outbound queue.',
};

/** What Envoy says of streams whose connection ended for another's message. */
export const INVALID_MESSAGE = 'codec_error:The_user_callback_function_failed';

/** Of streams whose connection ended by a fault. */
export function codecError(text: string): string {
  return `codec_error:${text.replaceAll(' ', '_')}`;
}
