// Taps of the admin interface as threads hear of them: attached everywhere, and their pieces sent back.
import { decodeBinary } from '../../proto/binary-decode.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { supportedFields } from '../config/bootstrap.ts';
import { findUnsupported } from '../config/support.ts';
import type { Decoded } from '../core.ts';
import { type AdminTaps, TraceLink } from '../http/admin-taps.ts';

export const TAP_REQUEST = 'envoy.admin.v3.TapRequest';

export type TapAttachment = {
  /** Tells this one from those before. */
  readonly number: number;
  readonly configId: string;
  /** TAP_REQUEST as binary protobuf. */
  readonly request: Uint8Array;
};

/** `problem` '': it is attached. */
export type TapAnswer = { readonly isKnown: boolean; readonly problem: string };

/** Who hears of pieces; `taken` is due for each. */
export type TookTrace = (piece: Uint8Array, taken: () => void) => void;

/** Of one thread. */
export class ThreadTaps {
  readonly #decoded: Decoded;
  readonly #taps: AdminTaps | null;
  readonly #post: (number: number, piece: Uint8Array) => void;
  #number = 0;

  /** `post` sends a piece towards the admin interface, which says `taken` for it. */
  constructor(decoded: Decoded, post: (number: number, piece: Uint8Array) => void) {
    this.#decoded = decoded;
    this.#taps = decoded.environment.taps ?? null;
    this.#post = post;
  }

  /** Before there is a listener too: what comes later is tapped as well. */
  attach({ number, configId, request }: TapAttachment): TapAnswer {
    const taps = this.#taps;
    if (taps === null) return { isKnown: false, problem: '' };
    const isKnown = taps.has(configId);
    const type = registry.message(TAP_REQUEST);
    const message = decodeBinary(type, request, new Report()) as { readonly tap_config?: object };
    const [reason] = findUnsupported(type as never, message, supportedFields(this.#decoded.extensions));
    if (reason !== undefined) return { isKnown, problem: `${reason.path}: ${reason.reason}` };
    this.#number = number;
    // A piece may be a view of much more.
    const link = new TraceLink((piece) => this.#post(number, new Uint8Array(piece)));
    return { isKnown, problem: taps.attach(configId, message.tap_config ?? {}, link) ?? '' };
  }

  detach(): void {
    this.#taps?.detach();
  }

  taken(number: number, bytes: number): void {
    if (number === this.#number) this.#taps?.taken(bytes);
  }
}
