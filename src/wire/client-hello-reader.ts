// Finds the TLS ClientHello at the start of a connection, in whatever records and pieces it comes.
import { type ClientHello, parseClientHello } from './client-hello.ts';

/**
 * 'more': the bytes so far may begin a ClientHello. 'found': it is there. 'not-tls', 'malformed': the first bytes are
 * no TLS record, or are one with something else in it. 'closed': the client says goodbye before it said hello.
 */
export type HelloStatus = 'more' | 'found' | 'not-tls' | 'malformed' | 'closed';

/** Why there is no ClientHello; the names are BoringSSL's reasons. */
export type HelloReason =
  | ''
  | 'HTTP_REQUEST'
  | 'HTTPS_PROXY_REQUEST'
  | 'WRONG_VERSION_NUMBER'
  | 'ENCRYPTED_LENGTH_TOO_LONG'
  | 'DATA_LENGTH_TOO_LONG'
  | 'TOO_MANY_EMPTY_FRAGMENTS'
  | 'UNEXPECTED_RECORD'
  | 'BAD_ALERT'
  | 'UNKNOWN_ALERT_TYPE'
  | 'TOO_MANY_WARNING_ALERTS'
  | 'ALERT'
  | 'EXCESSIVE_MESSAGE_SIZE'
  | 'UNEXPECTED_MESSAGE'
  | 'CLIENTHELLO_PARSE_FAILED'
  | 'EXCESS_HANDSHAKE_DATA'
  | 'ERROR_PARSING_EXTENSION';

/** RFC 8446, section 5.1; and what BoringSSL grants to a record's ciphertext beyond its text. */
const HEADER_BYTES = 5;
const MAX_RECORD_BYTES = 16_384;
const MAX_CIPHERTEXT_BYTES = MAX_RECORD_BYTES + 320;
/** BoringSSL: kMaxMessageLen, kMaxEmptyRecords, kMaxWarningAlerts. */
const MAX_MESSAGE_BYTES = 16_384;
const MAX_EMPTY_RECORDS = 32;
const MAX_WARNING_ALERTS = 4;
const MESSAGE_HEADER_BYTES = 4;

const ALERT_RECORD = 21;
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const ALERT_WARNING = 1;
const ALERT_FATAL = 2;
const CLOSE_NOTIFY = 0;

/**
 * Goes through the records of one connection. `read` gets all bytes so far, again and again; what it has gone through
 * is not looked at twice, so single bytes cost no more than one piece.
 */
export class ClientHelloReader {
  status: HelloStatus = 'more';
  reason: HelloReason = '';
  hello: ClientHello | null = null;
  /** Bytes that were needed to come to the present status; whole records and the header of the one that was refused. */
  bytesRead = 0;
  #begun = false;
  #emptyRecords = 0;
  #warnings = 0;
  /** The message as far as its records are there; null while it lies in one piece. */
  #message: Buffer | null = null;
  #messageLength = 0;

  /** `bytes[0, end)` are all bytes since the connection began. */
  read(bytes: Buffer, end = bytes.length): HelloStatus {
    while (this.status === 'more') {
      const at = this.bytesRead;
      if (end - at < HEADER_BYTES) break;
      if (!this.#begun && !this.#begin(bytes)) break;
      if (bytes[at + 1] !== 3) return this.#fail(at === 0 ? 'not-tls' : 'malformed', 'WRONG_VERSION_NUMBER', at);
      const length = u16(bytes, at + 3);
      if (length > MAX_CIPHERTEXT_BYTES) {
        return this.#fail(at === 0 ? 'not-tls' : 'malformed', 'ENCRYPTED_LENGTH_TOO_LONG', at);
      }
      if (end - at - HEADER_BYTES < length) break;
      this.bytesRead = at + HEADER_BYTES + length;
      this.#record(bytes[at] as number, bytes, at + HEADER_BYTES, length);
    }
    return this.status;
  }

  #fail(status: HelloStatus, reason: HelloReason, recordAt = -1): HelloStatus {
    this.status = status;
    this.reason = reason;
    this.#message = null;
    if (recordAt >= 0) this.bytesRead = recordAt + HEADER_BYTES;
    return status;
  }

  /** Looks for protocols that are often taken for TLS by mistake; the first five bytes are there. */
  #begin(bytes: Buffer): boolean {
    this.#begun = true;
    if (bytes[0] === HANDSHAKE_RECORD) return true;
    const text = bytes.latin1Slice(0, HEADER_BYTES);
    const isHttp = text.startsWith('GET ') || text.startsWith('POST ') || text.startsWith('HEAD ');
    if (isHttp || text.startsWith('PUT ')) this.#fail('not-tls', 'HTTP_REQUEST', 0);
    else if (text === 'CONNE') this.#fail('not-tls', 'HTTPS_PROXY_REQUEST', 0);
    return this.status === 'more';
  }

  #record(type: number, bytes: Buffer, start: number, length: number): void {
    if (length > MAX_RECORD_BYTES) {
      this.#fail('malformed', 'DATA_LENGTH_TOO_LONG');
    } else if (length === 0 && ++this.#emptyRecords > MAX_EMPTY_RECORDS) {
      this.#fail('malformed', 'TOO_MANY_EMPTY_FRAGMENTS');
    } else if (type === ALERT_RECORD) {
      this.#alert(bytes, start, length);
    } else if (type !== HANDSHAKE_RECORD) {
      this.#fail(start === HEADER_BYTES ? 'not-tls' : 'malformed', 'UNEXPECTED_RECORD');
    } else if (length > 0) {
      this.#emptyRecords = 0;
      this.#warnings = 0;
      this.#handshake(bytes, start, length);
    }
  }

  #alert(bytes: Buffer, start: number, length: number): void {
    const level = bytes[start];
    if (length !== 2) this.#fail('malformed', 'BAD_ALERT');
    else if (level === ALERT_FATAL) this.#fail('malformed', 'ALERT');
    else if (level !== ALERT_WARNING) this.#fail('malformed', 'UNKNOWN_ALERT_TYPE');
    else if (bytes[start + 1] === CLOSE_NOTIFY) this.#fail('closed', '');
    else if (++this.#warnings > MAX_WARNING_ALERTS) this.#fail('malformed', 'TOO_MANY_WARNING_ALERTS');
  }

  #handshake(bytes: Buffer, start: number, length: number): void {
    let message = bytes;
    let from = start;
    let available = length;
    if (this.#message !== null || length < MESSAGE_HEADER_BYTES || length < messageBytes(bytes, start)) {
      this.#keep(bytes, start, length);
      message = this.#message as unknown as Buffer;
      from = 0;
      available = this.#messageLength;
      if (available < MESSAGE_HEADER_BYTES) return;
    }
    const whole = messageBytes(message, from);
    if (whole - MESSAGE_HEADER_BYTES > MAX_MESSAGE_BYTES) {
      this.#fail('malformed', 'EXCESSIVE_MESSAGE_SIZE');
    } else if (available >= whole) {
      this.#finish(message.subarray(from, from + whole), available > whole);
    }
  }

  /** A message that comes in several records is put together, in memory that doubles. */
  #keep(bytes: Buffer, start: number, length: number): void {
    const known = this.#messageLength;
    let message = this.#message;
    if (message === null || known + length > message.length) {
      const larger = Buffer.allocUnsafe(Math.max(1024, 2 * known, known + length));
      message?.copy(larger, 0, 0, known);
      message = larger;
    }
    bytes.copy(message, known, start, start + length);
    this.#message = message;
    this.#messageLength = known + length;
  }

  #finish(message: Buffer, hasExcess: boolean): void {
    if (message[0] !== CLIENT_HELLO) {
      this.#fail('malformed', 'UNEXPECTED_MESSAGE');
      return;
    }
    const hello = parseClientHello(message);
    if (hello === 'CLIENTHELLO_PARSE_FAILED') this.#fail('malformed', hello);
    else if (hasExcess) this.#fail('malformed', 'EXCESS_HANDSHAKE_DATA');
    else if (typeof hello === 'string') this.#fail('malformed', hello);
    else {
      this.status = 'found';
      this.hello = hello;
    }
  }
}

function u16(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

/** Length of the handshake message that begins there, with its header. */
function messageBytes(bytes: Buffer, at: number): number {
  return MESSAGE_HEADER_BYTES + (((bytes[at + 1] as number) << 16) | u16(bytes, at + 2));
}
