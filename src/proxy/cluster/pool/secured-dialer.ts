// Dials and then lets a transport take the socket over: what comes out is a connection that may carry requests.
import type { Address, ByteStream } from '../../../base/byte-stream.ts';
import type { Clock } from '../../../base/clock.ts';
import type { Failure } from '../../../base/failure.ts';
import type { Metadata } from '../../stream-info.ts';
import type {
  PendingTransport,
  TransportWishes,
  UpstreamTarget,
  UpstreamTransport,
} from '../../transport/transport.ts';
import type { Cancel, DialCallback, Dialer, DialOptions } from './dialing.ts';

/** What all connections of one pool want. */
export type SecuredTarget = {
  readonly transport: UpstreamTransport;
  readonly host: { readonly hostname: string; readonly metadata: Metadata | null };
  readonly clusterMetadata: Metadata | null;
  readonly wishes: TransportWishes;
  readonly fallbackProtocols: readonly string[];
};

export class SecuredDialer implements Dialer {
  readonly #dialer: Dialer;
  readonly #clock: Clock;
  readonly #target: SecuredTarget;

  constructor(dialer: Dialer, clock: Clock, target: SecuredTarget) {
    this.#dialer = dialer;
    this.#clock = clock;
    this.#target = target;
  }

  /** The address that is tried is the one whose handshake it is: a failed one leads to the next address. */
  connect(address: Address, options: DialOptions, callback: DialCallback): Cancel {
    const pending = new SecuredDial();
    const { transport, host, clusterMetadata, wishes, fallbackProtocols } = this.#target;
    const { hostname, metadata: hostMetadata } = host;
    const target = { ...wishes, address, hostname, fallbackProtocols, hostMetadata, clusterMetadata };
    const left = transport.leaves?.(target);
    const own = left === undefined ? options : { ...options, left };
    pending.current = this.#dialer.connect(address, own, (stream, failure) => {
      if (stream === null) callback(null, failure);
      else this.#secure(pending, stream, target, callback);
    });
    return pending;
  }

  #secure(pending: SecuredDial, stream: ByteStream, target: UpstreamTarget, callback: DialCallback): void {
    const { transport } = this.#target;
    const socketMs = this.#clock.nowMs;
    let isOver = false;
    const done = (secured: ByteStream | null, failure: Failure | null): void => {
      isOver = true;
      pending.current = null;
      callback(secured, failure, socketMs);
    };
    const handshake = transport.connect(stream, target, done);
    if (!isOver) pending.current = handshake;
  }
}

class SecuredDial implements Cancel {
  current: Cancel | PendingTransport | null = null;

  cancel(): void {
    this.current?.cancel();
    this.current = null;
  }
}
