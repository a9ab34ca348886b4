// A cable from the namespace that is checked to an empty one, for connections that really come in and go out.
import type { Address } from '../../base/byte-stream.ts';
import { inNamespace, inNewNamespace } from '../../net/namespace.ts';
import { firstLine, type Machine } from '../machine.ts';
import type { Family } from '../plan/model.ts';

export const DEVICE = 'heddle-check';

/** Of ranges that are for tests and private use. */
const ENDS = {
  ipv4: { home: '198.18.254.1', far: '198.18.254.2', length: 30 },
  ipv6: { home: 'fd68:6564:646c:65::1', far: 'fd68:6564:646c:65::2', length: 64 },
};

export class Cable {
  readonly families: readonly Family[];
  readonly #machine: Machine;
  readonly #fd: number;

  private constructor(machine: Machine, fd: number, families: readonly Family[]) {
    this.#machine = machine;
    this.#fd = fd;
    this.families = families;
  }

  /** The cable, or why there is none. It goes with `close`, or with this process. */
  static lay(machine: Machine, pid: number, families: readonly Family[]): Cable | string {
    let far = -1;
    const refused = inNewNamespace((fd) => {
      far = fd;
    });
    if (refused !== null) return `a namespace to connect from cannot be made (${refused}): run as root`;
    const cable = new Cable(machine, far, families);
    const failed = cable.#lay(pid);
    if (failed === null) return cable;
    cable.close();
    return failed;
  }

  #lay(pid: number): string | null {
    const link = `link add ${DEVICE} type veth peer name ${DEVICE} netns /proc/${pid}/fd/${this.#fd}`;
    const ends = (end: 'home' | 'far'): string[] =>
      this.families.map((family) => {
        const { [end]: address, length } = ENDS[family];
        return `address add ${address}/${length} dev ${DEVICE}${family === 'ipv6' ? ' nodad' : ''}`;
      });
    const up = `link set ${DEVICE} up`;
    return (
      this.#ip([link, ...ends('home'), up]) ?? this.run(() => this.#ip([...ends('far'), up, 'link set lo up'])) ?? null
    );
  }

  #ip(lines: readonly string[]): string | null {
    const ran = this.#machine.run('ip', ['-batch', '-'], `${lines.join('\n')}\n`);
    return ran.ok ? null : `ip: ${firstLine(ran.complaint)}`;
  }

  address(end: 'home' | 'far', family: Family, port: number): Address {
    return { family, address: ENDS[family][end], port };
  }

  /** Makes the far end answer for a further address. Null, or why not. */
  reach({ family, address }: Address): string | null {
    const length = family === 'ipv4' ? 32 : 128;
    const nodad = family === 'ipv6' ? ' nodad' : '';
    return (
      this.run(() => this.#ip([`address add ${address}/${length} dev ${DEVICE}${nodad}`])) ??
      this.#ip([`route add ${address}/${length} dev ${DEVICE}`])
    );
  }

  /** Runs work at the far end. */
  run<T>(work: () => T): T {
    return inNamespace(this.#fd, work);
  }

  close(): void {
    this.#machine.run('ip', ['link', 'del', DEVICE]);
  }
}
