// What is known of an accepted socket before its chain is chosen; addresses are asked for when somebody looks.
import type { Address, ByteStream } from '../../base/byte-stream.ts';
import type { FilterStateObject, UpstreamSource } from '../stream-info.ts';
import type { AcceptedSocket } from './filter.ts';

const NO_NAMES: readonly string[] = [];

export class SocketFacts implements AcceptedSocket {
  readonly stream: ByteStream;
  /** Under which the balancer of workers counts it; '' when it does not. */
  readonly balanceKey: string;
  isLocalAddressRestored = false;
  transportProtocol = '';
  serverName = '';
  applicationProtocols: readonly string[] = NO_NAMES;
  ja3Hash = '';
  ja4Hash = '';
  transportFailureReason = '';
  dynamicMetadata: Map<string, Record<string, unknown>> | null = null;
  filterState: Map<string, FilterStateObject> | null = null;
  upstreamSource: UpstreamSource | null = null;
  #local: Address | null = null;
  #remote: Address | null = null;

  constructor(stream: ByteStream, balanceKey: string) {
    this.stream = stream;
    this.balanceKey = balanceKey;
  }

  get localAddress(): Address {
    return this.#local ?? this.stream.localAddress;
  }
  set localAddress(address: Address) {
    this.#local = address;
  }
  get remoteAddress(): Address {
    return this.#remote ?? this.stream.remoteAddress;
  }
  set remoteAddress(address: Address) {
    this.#remote = address;
  }
  get directLocalAddress(): Address {
    return this.stream.localAddress;
  }
  get directRemoteAddress(): Address {
    return this.stream.remoteAddress;
  }
}
