// A stream in front of a connection's own: takes part in what is read and written, and is otherwise the connection.
import type { Address, ByteStream, ByteStreamHandler, TlsFacts } from './byte-stream.ts';

export abstract class StreamLayer implements ByteStream {
  protected readonly socket: ByteStream;
  /** Bytes that the layer took for itself, and bytes that it wrote: they are not the connection's. */
  protected taken = 0;
  protected own = 0;

  abstract handler: ByteStreamHandler;

  constructor(socket: ByteStream) {
    this.socket = socket;
  }

  get id(): number {
    return this.socket.id;
  }
  get localAddress(): Address {
    return this.socket.localAddress;
  }
  get remoteAddress(): Address {
    return this.socket.remoteAddress;
  }
  get tls(): TlsFacts | null {
    return this.socket.tls;
  }
  get bytesRead(): number {
    return this.socket.bytesRead - this.taken;
  }
  get bytesWritten(): number {
    return Math.max(0, this.socket.bytesWritten - this.own);
  }
  get bufferedBytes(): number {
    return this.socket.bufferedBytes;
  }
  get isAboveHighWatermark(): boolean {
    return this.socket.isAboveHighWatermark;
  }
  get isClosed(): boolean {
    return this.socket.isClosed;
  }
  writeLatin1(text: string): void {
    this.socket.writeLatin1(text);
  }
  write(chunk: Uint8Array): void {
    this.socket.write(chunk);
  }
  writeBorrowed(chunk: Buffer, start: number, end: number): void {
    this.socket.writeBorrowed(chunk, start, end);
  }
  flush(): void {
    this.socket.flush();
  }
  announceTurnEnd(): void {
    this.socket.announceTurnEnd();
  }
  pause(): void {
    this.socket.pause();
  }
  resume(): void {
    this.socket.resume();
  }
  unread(bytes: Buffer): void {
    this.socket.unread(bytes);
  }
  end(): void {
    this.socket.end();
  }
  close(): void {
    this.socket.close();
  }
  destroy(reset?: boolean): void {
    this.socket.destroy(reset);
  }
  setWatermarks(highBytes: number): void {
    this.socket.setWatermarks(highBytes);
  }
}
