// A forward proxy that finds hosts in a table: CONNECT, and requests in absolute form.
import { createServer, request, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';

export class ForwardProxy {
  /** 'CONNECT reviews:9080', 'GET http://reviews:9080': what was asked for, without paths. */
  readonly asked = new Set<string>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** `portOf`: the port on loopback that stands for 'host:port'; undefined: 502. */
  constructor(portOf: (host: string) => number | undefined) {
    this.#server = createServer((incoming, response) => {
      const url = new URL(incoming.url ?? '', 'http://none');
      const port = portOf(`${url.hostname}:${url.port || 80}`);
      this.asked.add(`${incoming.method} ${url.origin}`);
      if (port === undefined) return void response.writeHead(502).end();
      const { method, headers } = incoming;
      const onward = request({ port, host: '127.0.0.1', method, headers, path: url.pathname }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      incoming.pipe(onward);
    });
    this.#server.on('connect', (incoming, socket: Socket, head: Buffer) => {
      this.asked.add(`CONNECT ${incoming.url}`);
      const port = portOf(incoming.url ?? '');
      if (port === undefined) return void socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
      const onward = connect(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        onward.write(head);
        socket.pipe(onward).pipe(socket);
      });
      this.#keep(onward);
      for (const one of [socket, onward]) one.on('error', () => [socket, onward].forEach((each) => each.destroy()));
    });
    this.#server.on('connection', (socket: Socket) => this.#keep(socket));
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /** Resolves to its address. */
  start(): Promise<string> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        const { port } = this.#server.address() as { port: number };
        resolve(`http://127.0.0.1:${port}`);
      });
    });
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
