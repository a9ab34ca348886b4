// Tests of the small HTTP/1 reader that the rigs read answers with.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Http1Reader, isInterim } from './http1-reader.ts';

function readResponse(parts: readonly string[], methods: string[] = [], isEnded = false): Http1Reader {
  const reader = new Http1Reader('response', methods);
  for (const part of parts) reader.feed(part);
  if (isEnded) reader.end();
  return reader;
}

describe('Http1Reader', () => {
  it('reads a body by length, in pieces', () => {
    const [message] = readResponse(['HTTP/1.1 200 OK\r\ncontent-le', 'ngth: 5\r\n\r\nhe', 'llo']).messages;
    assert.equal(message?.body, 'hello');
    assert.equal(message?.complete, true);
  });

  it('reads chunks and trailers', () => {
    const text = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nx-t: 1\r\n\r\n';
    for (const parts of [[text], text.split('')]) {
      const [message] = readResponse(parts).messages;
      assert.equal(message?.body, 'abcde');
      assert.deepEqual(message?.trailers, [['x-t', '1']]);
      assert.deepEqual(message?.chunkSizes, [3, 2, 0]);
    }
  });

  it('parts interim and pipelined responses', () => {
    const { messages, rest } = readResponse([
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naHTTP',
    ]);
    assert.deepEqual(messages.map(isInterim), [true, false, false]);
    assert.equal(rest, 'HTTP');
  });

  it('knows that an answer to HEAD has no body', () => {
    const { messages } = readResponse(
      ['HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx'],
      ['HEAD'],
    );
    assert.equal(messages.length, 2);
    assert.equal(messages[1]?.body, 'x');
    assert.equal(messages[1]?.complete, false);
  });

  it('ends a close-delimited body at the close only', () => {
    assert.equal(readResponse(['HTTP/1.0 200 OK\r\n\r\nbody']).messages[0]?.complete, false);
    assert.equal(readResponse(['HTTP/1.0 200 OK\r\n\r\nbody'], [], true).messages[0]?.complete, true);
  });

  it('takes everything after a switch of protocols as raw bytes', () => {
    const [message] = readResponse(['HTTP/1.1 101 Switching Protocols\r\n\r\n', 'HTTP/1.1 no message']).messages;
    assert.equal(message?.framing, 'raw');
    assert.equal(message?.body, 'HTTP/1.1 no message');
  });
});
