// Which values of headers proxies take: as the proxy's own parser says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFormat } from '../../../proxy/formatter/parse-format.ts';
import { exampleDecoder } from '../../../proxy/formatter/test-exchange.ts';
import { formatProblem } from './format-commands.ts';

test('what is refused is what the proxy refuses', () => {
  const values = [
    ...['plain', '100%%', '%PROTOCOL%', '%REQ(x)%', '%REQ(x):5%', '%REQ%', '%PROTOCOL(a)%', '%NO_SUCH%', '50%', '%%%'],
    ...[
      '%START_TIME%',
      '%START_TIME(%s)%',
      '%DOWNSTREAM_PEER_URI_SAN%',
      '%DYNAMIC_METADATA(a:b)%',
      '%REQUESTED_SERVER_NAME%',
    ],
    ...['%REQ_WITHOUT_QUERY(x)%', '%hostname%', 'a %HOSTNAME% b %ROUTE_NAME% %', '%DOWNSTREAM_REMOTE_ADDRESS%'],
  ];
  for (const value of values) {
    const decoder = exampleDecoder();
    parseFormat(value, decoder, {});
    assert.equal(formatProblem(value) === null, decoder.reasons.length === 0, value);
  }
});
