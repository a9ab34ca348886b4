// JSON formats: lines that Envoy 1.40 wrote for the same format and exchange.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { H, headerKey } from '../../wire/header-names.ts';
import { compileJsonFormat } from './json-formatter.ts';
import { exampleDecoder, exampleExchange } from './test-exchange.ts';

function render(shape: Record<string, unknown>, userAgent = 'plain', omitEmptyValues = false): string {
  const d = exampleDecoder();
  const formatter = compileJsonFormat(shape, d, { omitEmptyValues });
  assert.deepEqual(d.reasons, []);
  const exchange = exampleExchange();
  exchange.info.responseCode = 200;
  exchange.info.flags = 0;
  exchange.info.bytesSent = 3;
  exchange.requestHeaders?.set(H['user-agent'], userAgent);
  exchange.requestHeaders?.set(headerKey('x-u'), userAgent);
  return Buffer.from(formatter.format(exchange), 'latin1').toString();
}

test('types, nesting, constants and order', () => {
  const shape = {
    z: '%PROTOCOL%', a: 1, b: true, n: null, f: 1.5, big: 1e21, l: ['%PROTOCOL%', 2, { x: '%REQ(NO)%' }, []],
    o: { q: '%REQ(NO)%', c: {} }, multi: '%PROTOCOL% %REQ(NO)% "lit" é', B: '%RESPONSE_CODE%',
    two: '%RESPONSE_CODE%%BYTES_SENT%', pct: '100%%', e: '', ré: 'x', empty: '%LOCAL_REPLY_BODY%',
    nothing: '%REQ(NO)%%REQ(NO)%', u8m: '<%REQ(X-U)%>',
  }; // biome-ignore format: a table.
  assert.equal(
    render(shape),
    '{"B":200,"a":1,"b":true,"big":"1e+21","e":"","empty":"","f":"1.5","l":["HTTP/1.1",2,{"x":null},[]],' +
      '"multi":"HTTP/1.1 - \\"lit\\" é","n":null,"nothing":"--","o":{"c":{},"q":null},"pct":"100%","ré":"x",' +
      '"two":"2003","u8m":"<plain>","z":"HTTP/1.1"}\n',
  );
});

test('what is empty is left out on demand, objects that become empty too', () => {
  const shape = {
    z: '%PROTOCOL%', n: null, l: ['%REQ(NO)%', 2, { x: '%REQ(NO)%' }, []], o: { q: '%REQ(NO)%', c: {} },
    multi: '%PROTOCOL% %REQ(NO)%', fl: '%RESPONSE_FLAGS%', e: '', nothing: '%REQ(NO)%%REQ(NO)%',
    env: '%ENVIRONMENT(NOTHING)%', only: { x: '%REQ(NO)%' }, empty: '%LOCAL_REPLY_BODY%',
  }; // biome-ignore format: a table.
  assert.equal(
    render(shape, '', true),
    '{"e":"","empty":"","env":"-","fl":"-","l":[2,[]],"multi":"HTTP/1.1 ","nothing":"","z":"HTTP/1.1"}\n',
  );
});

test('names are sorted as bytes', () => {
  const shape = { z: '1', a: '2', b_c: '3', B: '4', 'b-d': '5', b: '6' };
  assert.equal(render(shape), '{"B":"4","a":"2","b":"6","b-d":"5","b_c":"3","z":"1"}\n');
});

test('text that is no UTF-8 is written byte by byte', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['\xf0\x9f\x98\x80\xed\xa0\x80', '\\u00f0\\u009f\\u0098\\u0080\\u00ed\\u00a0\\u0080'],
    ['\xf4\x90\x80\x80', '\\u00f4\\u0090\\u0080\\u0080'],
    ['a\xc3', 'a\\u00c3'],
    ['"quo\\te"\tt\xe9', '\\u0022quo\\u005cte\\u0022\\u0009t\\u00e9'],
    ['\xc2\x80\xc2\x9f \xe2\x80\xa8', '\x80\x9f \u2028'],
    ['"\\\t\x01', '\\"\\\\\\t\\u0001'],
  ];
  for (const [bytes, json] of cases) assert.equal(render({ v: '%REQ(X-U)%' }, bytes), `{"v":"${json}"}\n`);
});

test('reasons name the property', () => {
  const d = exampleDecoder();
  compileJsonFormat({ a: { b: ['%FOO%'] } }, d.at('json_format'));
  assert.deepEqual(d.reasons, [{ path: 'json_format.a.b[0]', reason: 'Not supported field in StreamInfo: FOO' }]);
});
