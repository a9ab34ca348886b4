// What AUTO takes a connection for: by ALPN, by the first bytes in any pieces, and by what only looks like a preface.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertQuiet, connectHttp2, http2Cluster, Http2MemoryUpstream } from '../../../test/simulation/http2-memory.ts';
import { get, type MemoryClient, MemoryProxy } from '../../../test/simulation/memory-proxy.ts';
import { CLIENT_START, describe, headers } from '../../wire/http2/testing/raw.ts';
import type { ConnectionInfo } from '../stream-info.ts';
import { couldBeHttp2, isHttp2 } from './codec-choice.ts';

const HTTP = 'http.test.';
const START = CLIENT_START.toString('latin1');
const REQUEST = headers(1).toString('latin1');

function withProxy(hcm: Readonly<Record<string, unknown>>, act: (rig: MemoryProxy) => void): void {
  const rig = new MemoryProxy({ hcm, cluster: http2Cluster() });
  try {
    new Http2MemoryUpstream(rig);
    act(rig);
    assertQuiet(rig);
    assert.deepEqual(rig.problems, []);
  } finally {
    rig.stop();
  }
}

/** Frames that the proxy sent, without their payloads. */
function framesOf(client: MemoryClient): string[] {
  return describe(Buffer.from(client.text, 'latin1')).map((line) => line.split('/')[0] as string);
}

test('the choice is ALPN’s where there is one, whatever the bytes', () => {
  const withAlpn = (alpn: string): ConnectionInfo => ({ tls: { alpn } }) as ConnectionInfo;
  const preface = Buffer.from(START, 'latin1');
  const request = Buffer.from(get('/'), 'latin1');
  for (const bytes of [preface, request]) {
    assert.equal(isHttp2(withAlpn('h2'), bytes, 0, bytes.length), true);
    assert.equal(isHttp2(withAlpn('http/1.1'), bytes, 0, bytes.length), false);
    assert.equal(isHttp2(withAlpn('http/1.0'), bytes, 0, bytes.length), false);
    assert.equal(isHttp2(withAlpn(''), bytes, 0, bytes.length), bytes === preface);
    assert.equal(isHttp2({ tls: null } as ConnectionInfo, bytes, 0, bytes.length), bytes === preface);
  }
  // With ALPN nobody waits for more bytes.
  for (const alpn of ['h2', 'http/1.1']) assert.equal(couldBeHttp2(withAlpn(alpn), preface, 0, 3), false);
  assert.equal(couldBeHttp2(withAlpn(''), preface, 0, 3), true);
});

test('what was read begins anywhere in its buffer', () => {
  const none = { tls: null } as ConnectionInfo;
  const buffer = Buffer.from(`PRI${START}`, 'latin1');
  assert.equal(couldBeHttp2(none, buffer, 3, 8), true);
  assert.equal(couldBeHttp2(none, buffer, 0, 8), false);
  assert.equal(couldBeHttp2(none, buffer, 0, 3), true);
  assert.equal(isHttp2(none, buffer, 3, buffer.length), true);
  assert.equal(isHttp2(none, buffer, 0, buffer.length), false);
  assert.equal(isHttp2(none, buffer, 3, 14), false);
});

test('a preface in pieces of any size is a preface', () => {
  for (const size of [1, 2, 5, 11, 12, 13, 23, 24, 25]) {
    withProxy({}, (rig) => {
      const client = rig.connect();
      const text = START + REQUEST;
      for (let at = 0; at < text.length; at += size) client.send(text.slice(at, at + size));
      assert.ok(framesOf(client).includes('headers#1'), `pieces of ${size}`);
      assert.equal(rig.stat(`${HTTP}downstream_cx_http2_total`), 1);
      assert.equal(rig.stat(`${HTTP}downstream_cx_http1_total`), 0);
      assert.equal(rig.stat(`${HTTP}downstream_cx_rx_bytes_total`), text.length);
      rig.takeLog();
    });
  }
});

test('requests of HTTP/1 whose method begins as the preface does are requests', () => {
  for (const method of ['P', 'PR', 'PRI', 'PRINT', 'POST', 'PUT', 'PATCH', 'PROPFIND']) {
    for (const isSplit of [false, true]) {
      withProxy({}, (rig) => {
        const text = `${method} /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`;
        const client = rig.connect();
        for (const piece of isSplit ? text : [text]) client.send(piece);
        assert.equal(client.answers.length, 1, method);
        assert.equal(rig.stat(`${HTTP}downstream_cx_http1_total`), 1, method);
        assert.equal(rig.stat(`${HTTP}downstream_cx_http2_total`), 0, method);
        rig.takeLog();
      });
    }
  }
});

test('a client that goes in the middle of a preface leaves nothing', () => {
  withProxy({ delayed_close_timeout: '1s' }, (rig) => {
    const ends: ((client: MemoryClient) => void)[] = [
      (client) => client.end(),
      (client) => client.close(),
      (client) => client.reset(),
    ];
    for (const leave of ends) {
      const client = rig.connect();
      client.send('PRI * HT');
      leave(client);
      rig.advance(1_100);
      assert.equal(client.isClosed, true);
    }
    assert.equal(rig.stat(`${HTTP}downstream_cx_destroy`), 3);
    assertQuiet(rig, false);
  });
  withProxy({ common_http_protocol_options: { idle_timeout: '5s' } }, (rig) => {
    const client = rig.connect();
    client.send('PRI');
    rig.advance(5_100);
    assert.equal(client.isGone, true);
    assert.equal(rig.stat(`${HTTP}downstream_cx_idle_timeout`), 1);
  });
});

test('a preface that goes wrong late is an error of HTTP/2', () => {
  for (const bad of ['PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n', 'PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n']) {
    withProxy({ delayed_close_timeout: '1s' }, (rig) => {
      const client = rig.connect();
      client.send(bad + REQUEST);
      assert.equal(rig.stat(`${HTTP}downstream_cx_http2_total`), 1);
      assert.equal(rig.stat(`${HTTP}downstream_cx_protocol_error`), 1);
      assert.ok(framesOf(client).includes('goaway#0'));
      rig.advance(1_100);
      assert.equal(client.isGone, true);
      assert.equal(rig.stat(`${HTTP}downstream_rq_total`), 0);
      assertQuiet(rig, false);
    });
  }
});

test('a codec that is configured is not asked to choose', () => {
  withProxy({ codec_type: 'HTTP1' }, (rig) => {
    const client = rig.connect();
    client.send(START);
    assert.match(client.text, /^HTTP\/1.1 (400|426)/);
    assert.equal(rig.exchange(get('/')).answers[0], '200 ok');
    rig.takeLog();
  });
  withProxy({ codec_type: 'HTTP2', delayed_close_timeout: '1s' }, (rig) => {
    const client = rig.connect();
    client.send(get('/'));
    assert.ok(framesOf(client).includes('goaway#0'));
    rig.advance(1_100);
    assert.equal(client.isGone, true);
    assert.equal(rig.stat(`${HTTP}downstream_cx_http2_total`), 1);
    assert.equal(connectHttp2(rig).request('/').text, '200 ok');
    rig.takeLog();
  });
});
