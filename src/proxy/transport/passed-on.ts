// What the dialling end of an internal connection leaves for the listener that accepts the other one.
import type { ByteStream } from '../../base/byte-stream.ts';
import { takeLeft } from '../../net/memory-pair.ts';
import type { FilterStateObject } from '../stream-info.ts';

/** Source: Envoy UserSpace::PassthroughState. */
export class PassedOn {
  readonly metadata: Map<string, Record<string, unknown>> | null;
  readonly filterState: Map<string, FilterStateObject> | null;

  constructor(
    metadata: Map<string, Record<string, unknown>> | null,
    filterState: Map<string, FilterStateObject> | null,
  ) {
    this.metadata = metadata;
    this.filterState = filterState;
  }
}

/** Null where nothing was left. */
export function takePassedOn(stream: ByteStream): PassedOn | null {
  const left = takeLeft(stream);
  return left instanceof PassedOn ? left : null;
}
