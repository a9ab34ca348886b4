// What an admin endpoint is: its request, its parameters for /help and the front page, its answer.

export type AdminRequest = {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Of the path, or of a form in the body where the path has none. The first value of a name counts. */
  readonly query: URLSearchParams;
  /** Empty unless the request had one. */
  readonly body: Buffer;
};

export type AdminPiece = string | Uint8Array;

/** An answer that goes on for as long as somebody says something. */
export type LiveBody = {
  /** Called once, when the head has been sent. */
  start(output: LiveOutput): void;
  /** The client is gone, perhaps before the start, or the proxy ends: nothing may be written any more. */
  stop(): void;
};

export type LiveOutput = {
  /** Returns false where the client is slow: then `onDrain` is called once it has caught up. */
  write(piece: AdminPiece): boolean;
  end(): void;
  onDrain: () => void;
};

export type AdminResponse = {
  readonly status: number;
  /** Default 'text/plain; charset=UTF-8'. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Pieces are made one after another, a slice of time at once. */
  readonly body: AdminPiece | Iterable<AdminPiece> | LiveBody;
  /** Called when the whole answer has been handed over: what quits the process waits for it. */
  readonly afterwards?: () => void;
};

/** An answer that needs something from other threads first. */
export type LaterAdminResponse = { later(answer: (response: AdminResponse) => void): void };

/** Source: Envoy Admin::ParamDescriptor. */
export type AdminParam = {
  readonly name: string;
  readonly help: string;
  /** Default 'text'. */
  readonly kind?: 'flag' | 'text';
  readonly choices?: readonly string[];
};

export type AdminHandler = {
  readonly path: string;
  readonly help: string;
  /** Changes something: only POST. */
  readonly mutates: boolean;
  readonly params?: readonly AdminParam[];
  /** Absent: it is always there. */
  isThere?(): boolean;
  handle(request: AdminRequest): AdminResponse | LaterAdminResponse;
};

export const PLAIN_TEXT = 'text/plain; charset=UTF-8';
export const HTML = 'text/html; charset=UTF-8';

export function badRequest(body: string): AdminResponse {
  return { status: 400, body };
}

/** The list that /help and an unknown path are answered with. */
export function helpText(title: string, handlers: readonly AdminHandler[]): string {
  let text = title;
  for (const { path, mutates, help, params = [] } of handlers) {
    text += `  ${path}${mutates ? ' (POST)' : ''}: ${help}\n`;
    for (const { name, help: what, choices } of params) {
      text += `      ${name}: ${what}${choices === undefined ? '' : `; One of (${choices.join(', ')})`}\n`;
    }
  }
  return text;
}
