// URLs with scheme and host, as Envoy reads the location of a redirect (http_parser's rules, the strict ones).

export type AbsoluteUrl = {
  /** As written. */
  readonly scheme: string;
  /** Without user and password. */
  readonly hostAndPort: string;
  /** With query and fragment; '/' when there is none. */
  readonly path: string;
};

const MAX_PORT = 0xffff;
/** Path, query and fragment may consist of what is printable in ASCII. */
const URL =
  /^([a-zA-Z]+):\/\/(?:[a-zA-Z0-9\-_.!~*'()%;:&=+$,[\]]*@)?([^/?#@]+)(?:([/?][\x21-\x7e]*)|(#[\x21-\x7e]*))?$/;
const HOST = /^(?:[a-zA-Z0-9.-]+|\[[0-9a-fA-F:.]+(?:%[a-zA-Z0-9\-_.~%]+)?\])(?::(\d+))?$/;

/** Null when the text is no such URL. */
export function parseAbsoluteUrl(text: string): AbsoluteUrl | null {
  const parts = URL.exec(text);
  if (parts === null) return null;
  const [, scheme = '', hostAndPort = '', path, fragment] = parts;
  const host = HOST.exec(hostAndPort);
  if (host === null || (host[1] !== undefined && Number(host[1]) > MAX_PORT)) return null;
  return { scheme, hostAndPort, path: path ?? fragment ?? '/' };
}
