// A stream of messages to an xDS server, as the protocol above it sees it; whoever opens streams implements it.

export type XdsChannel = {
  /** Opens the stream, again and again until `stop`; its handler may hear of it during the call. */
  start(): void;
  readonly isOpen: boolean;
  /** What was sent waits: whoever has more to say waits for `onDrain`. */
  readonly isAboveWatermark: boolean;
  /** False when there is no stream to send on. */
  send(message: unknown): boolean;
  /** Counted: the server's messages wait. */
  pauseReading(): void;
  resumeReading(): void;
  stop(): void;
};

/** DiscoveryResponses, or DeltaDiscoveryResponses. */
export type XdsChannelHandler = {
  /** A new stream stands. */
  onOpen(): void;
  onMessage(message: unknown): void;
  /** There is room again for what is to be sent. */
  onDrain(): void;
  /** The stream ended, or could not be opened; another one is opened later. */
  onClose(status: number, message: string): void;
};
