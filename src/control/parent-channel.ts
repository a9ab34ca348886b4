// The process that started this one and the proxies: it asks for their tokens, and everything ends when it does.
import type { Socket } from 'node:net';
import { inheritedSocket } from '../net/inherited.ts';
import type { ProcessTokens } from '../ca/authenticate/process-tokens.ts';
import type { Secret } from '../base/secret.ts';

/** Lines of JSON. `pid` is the process that the token is for, null where it is not of this machine's numbering. */
type Question =
  | {
      readonly id: number;
      readonly ask: 'token';
      readonly namespace: string;
      readonly account: string;
      pid: number | null;
    }
  | { readonly id: number; readonly ask: 'revoke'; readonly token: number };

/** A line of this length is no question. */
const MAX_LINE = 64 * 1024;

export class ParentChannel {
  readonly #socket: Socket;
  readonly #tokens: ProcessTokens;
  readonly #given = new Map<number, Secret>();
  #rest = '';

  /** `onGone`: the parent is no longer there. */
  constructor(fd: number, tokens: ProcessTokens, onGone: () => void) {
    this.#tokens = tokens;
    this.#socket = inheritedSocket(fd);
    this.#socket.setEncoding('utf8');
    this.#socket.on('data', (text: string) => this.#take(text));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', onGone);
  }

  /** Something to tell besides answers. */
  tell(event: Readonly<Record<string, unknown>>): void {
    this.#socket.write(`${JSON.stringify(event)}\n`);
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > MAX_LINE) this.#socket.destroy();
    for (const line of lines) this.#answer(JSON.parse(line) as Question);
  }

  #answer(question: Question): void {
    if (question.ask === 'revoke') {
      const token = this.#given.get(question.token);
      if (token !== undefined) this.#tokens.revoke(token);
      this.#given.delete(question.token);
      return;
    }
    const { id, namespace, account, pid } = question;
    const token = this.#tokens.create({ namespace, account, workload: null }, pid);
    if (token !== null) this.#given.set(id, token);
    this.tell({ id, token: token === null ? null : token.reveal() });
  }
}
