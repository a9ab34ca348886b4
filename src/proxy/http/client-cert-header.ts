// Tells upstreams who the client of a mutual TLS connection is: x-forwarded-client-cert in all its forms.
import type { CertificateFacts, TlsFacts } from '../../base/byte-stream.ts';
import { H } from '../../wire/header-names.ts';
import { type Headers, isSendable } from '../../wire/headers.ts';
import { jsonEscape } from '../formatter/byte-text.ts';
import type { StreamInfo } from '../stream-info.ts';
import { urlEncoded } from '../formatter/tls-commands.ts';

export type ClientCertMode = 'SANITIZE' | 'FORWARD_ONLY' | 'APPEND_FORWARD' | 'SANITIZE_SET' | 'ALWAYS_FORWARD_ONLY';

/** forward_client_cert_details and set_current_client_cert_details. */
export type ClientCertPolicy = {
  readonly mode: ClientCertMode;
  readonly isJson: boolean;
  readonly subject: boolean;
  readonly cert: boolean;
  readonly chain: boolean;
  readonly uri: boolean;
  readonly dns: boolean;
  readonly issuer: boolean;
};

/** Which policy a request goes by. */
export type ClientCertChoice = {
  readonly policy: ClientCertPolicy;
  /** Null: always `policy`. */
  readonly choose: ((info: StreamInfo, headers: Headers) => ClientCertPolicy) | null;
};

/** What is not configured: nobody is believed who says who he is. */
export const SANITIZE: ClientCertChoice = Object.freeze({
  policy: Object.freeze({
    mode: 'SANITIZE',
    isJson: false,
    subject: false,
    cert: false,
    chain: false,
    uri: false,
    dns: false,
    issuer: false,
  }),
  choose: null,
});

const XFCC = H['x-forwarded-client-cert'];

/** What is said of one connection's client: made once, when the first request needs it. */
export class ClientCertTexts {
  readonly policy: ClientCertPolicy;
  readonly #tls: TlsFacts;
  readonly #peer: CertificateFacts;
  #text: string | null = null;
  #json: string | null = null;

  constructor(policy: ClientCertPolicy, tls: TlsFacts, peer: CertificateFacts) {
    this.policy = policy;
    this.#tls = tls;
    this.#peer = peer;
  }

  get text(): string {
    this.#text ??= textOf(this.policy, this.#tls, this.#peer);
    return this.#text;
  }

  /** One JSON object. */
  get json(): string {
    this.#json ??= jsonOf(this.policy, this.#tls, this.#peer);
    return this.#json;
  }
}

/**
 * Keeps, removes or writes the header of a request. `known` is what was made for the last request of the connection;
 * returns what to remember for the next. Without a certificate the client is believed nothing about itself.
 */
export function mutateClientCert(
  headers: Headers,
  choice: ClientCertChoice,
  info: StreamInfo,
  known: ClientCertTexts | null,
): ClientCertTexts | null {
  const policy = choice.choose === null ? choice.policy : choice.choose(info, headers);
  const { tls } = info.connection;
  const peer = tls === null ? null : tls.peerCertificate;
  let texts = known;
  if (tls !== null && peer !== null && known?.policy !== policy) texts = new ClientCertTexts(policy, tls, peer);
  mutate(headers, policy, texts);
  return texts;
}

/** Source: Envoy ConnectionManagerUtility::mutateXfccRequestHeader. */
function mutate(headers: Headers, policy: ClientCertPolicy, texts: ClientCertTexts | null): void {
  const { mode } = policy;
  if (mode === 'ALWAYS_FORWARD_ONLY') return;
  if (texts === null || mode === 'SANITIZE') {
    if (headers.mayHave(XFCC)) headers.remove(XFCC);
    return;
  }
  if (mode === 'FORWARD_ONLY') return;
  const old = mode === 'APPEND_FORWARD' ? (headers.getAll(XFCC) ?? '') : '';
  // What is there already decides the form of what is added.
  const isList = old.startsWith('[') && old.endsWith(']');
  const isJson = old === '' ? policy.isJson : isList;
  const own = isJson ? texts.json : texts.text;
  if (!isSendable(own)) {
    headers.remove(XFCC);
    headers.unsendable = XFCC;
    return;
  }
  if (isJson) headers.set(XFCC, isList ? `${old.slice(0, -1)},${own}]` : `[${own}]`);
  else headers.set(XFCC, old === '' ? own : `${old},${own}`);
}

function textOf(policy: ClientCertPolicy, tls: TlsFacts, peer: CertificateFacts): string {
  const parts = (tls.localCertificate?.uriSans ?? []).map((uri) => `By=${uri}`);
  parts.push(`Hash=${peer.sha256}`);
  if (policy.cert) parts.push(`Cert="${urlEncoded(peer.pem)}"`);
  if (policy.chain) parts.push(`Chain="${urlEncoded(peer.chainPem)}"`);
  if (policy.subject) parts.push(`Subject="${peer.subject}"`);
  if (policy.uri) {
    for (const uri of peer.uriSans) parts.push(`URI=${uri}`);
    if (peer.uriSans.length === 0) parts.push('URI=');
  }
  if (policy.dns) for (const dns of peer.dnsSans) parts.push(`DNS=${dns}`);
  if (policy.issuer) parts.push(`Issuer="${peer.issuer}"`);
  return parts.join(';');
}

function jsonOf(policy: ClientCertPolicy, tls: TlsFacts, peer: CertificateFacts): string {
  const parts: string[] = [];
  const put = (name: string, value: string): void => void parts.push(`"${name}":"${jsonEscape(value)}"`);
  const putList = (name: string, values: readonly string[]): void => {
    if (values.length > 0) parts.push(`"${name}":[${values.map((value) => `"${jsonEscape(value)}"`).join(',')}]`);
  };
  putList('by', tls.localCertificate?.uriSans ?? []);
  put('hash', peer.sha256);
  if (policy.cert) put('cert', peer.pem);
  if (policy.chain) {
    putList(
      'chain',
      peer.chain.map((one) => one.pem),
    );
  }
  if (policy.subject) put('subject', peer.subject);
  if (policy.uri) putList('uri', peer.uriSans);
  if (policy.dns) putList('dns', peer.dnsSans);
  if (policy.issuer) put('issuer', peer.issuer);
  return `{${parts.join(',')}}`;
}
