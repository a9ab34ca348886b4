// Ports of this machine that lead into the mesh: the outer process opens them.
import type { HostPort } from '../../net/relay.ts';
import type { ToInner } from '../launch/messages.ts';
import type { GatewayPlace } from '../place/placement.ts';
import type { OuterLink } from './spawner.ts';

export type OpenPort = { readonly gateway: string; readonly port: number; readonly protocol: string };

type Asked = { done(port: number): void; fail(error: Error): void; readonly isExact: boolean };

export class HostPorts {
  readonly #link: OuterLink;
  readonly #asked = new Map<number, Asked>();
  readonly #opened = new Set<string>();
  #last: Promise<void> = Promise.resolve();
  #next = 0;
  /** Of gateways. */
  readonly open: OpenPort[] = [];

  constructor(link: OuterLink) {
    this.#link = link;
    link.onMessage((message) => this.#take(message));
  }

  /** The port that was opened: with `isExact` it is that one, or the promise is rejected. */
  forward(port: number, isExact: boolean, to: HostPort): Promise<number> {
    const id = this.#next++;
    return new Promise((done, fail) => {
      this.#asked.set(id, { done, fail, isExact });
      this.#link.send({ kind: 'forward', id, port, isExact, to });
    });
  }

  /** What may be reached from inside. */
  allow(targets: readonly HostPort[]): void {
    this.#link.send({ kind: 'open', targets });
  }

  /** Opens the ports of gateways, once for each; `tell` hears of ports that somebody else has. */
  openGateways(gateways: readonly GatewayPlace[], tell: (who: string, text: string) => void): Promise<void> {
    this.#last = this.#last.then(() => this.#openMore(gateways, tell));
    return this.#last;
  }

  async #openMore(gateways: readonly GatewayPlace[], tell: (who: string, text: string) => void): Promise<void> {
    for (const { name, address, spec, ports } of gateways) {
      if (this.#opened.has(name)) continue;
      this.#opened.add(name);
      for (const { port, host, protocol } of spec.ports) {
        if (host === null) continue;
        const target = ports.find((one) => one.port === port)?.target ?? port;
        const opened = await this.forward(host, false, { address, port: target });
        if (opened !== host) tell(name, `port ${host} is taken by another program; ${opened} is used in its place`);
        this.open.push({ gateway: name, port: opened, protocol });
      }
    }
  }

  #take(message: ToInner): void {
    if (message.kind !== 'forwarded') return;
    const asked = this.#asked.get(message.id);
    this.#asked.delete(message.id);
    if (message.problem !== null && asked?.isExact === true) {
      asked.fail(new Error(`port ${message.port}: ${message.problem}`));
    } else asked?.done(message.port);
  }
}
