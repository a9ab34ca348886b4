// The ClientHello that this Node's own TLS sends, taken from its socket: nobody answers.
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';

/** Resolves with the first flight of a client with these options. */
export function capturedHello(options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        resolve(Buffer.from(chunk));
        done();
        setImmediate(() => client?.destroy());
      },
    });
    let client: TLSSocket | null = null;
    client = connect({ ...options, socket });
    client.on('error', reject);
  });
}
