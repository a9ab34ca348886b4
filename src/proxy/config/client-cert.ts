// Decodes what a connection manager says of its clients' certificates: one policy, or one of several by matchers.
import type { HttpConnectionManager } from '../../proto/generated/types.d.ts';
import type { Headers } from '../../wire/headers.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { ClientCertChoice, ClientCertMode, ClientCertPolicy } from '../http/client-cert-header.ts';
import { EXCHANGE_INPUT_FIELDS, exchangeInput } from '../matcher/exchange-inputs.ts';
import { decodeMatcher, MATCHER_TREE_FIELDS, type MatcherPb } from '../matcher/matcher.ts';
import { NO_MATCH } from '../matcher/step.ts';
import type { StreamInfo } from '../stream-info.ts';

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ACTION = `${HCM}.ForwardClientCertConfig`;

/** Supported fields. */
export const CLIENT_CERT_FIELDS = {
  [`${HCM}.SetCurrentClientCertDetails`]: 'subject cert chain dns uri format issuer',
  [ACTION]: 'forward_client_cert_details set_current_client_cert_details',
  ...MATCHER_TREE_FIELDS,
  ...EXCHANGE_INPUT_FIELDS,
} as const;

type PolicyPb = Pick<HttpConnectionManager, 'forward_client_cert_details' | 'set_current_client_cert_details'>;

/** What no matcher takes goes by the policy of the connection manager itself. */
export function decodeClientCert(message: HttpConnectionManager, d: ConfigDecoder): ClientCertChoice {
  const policy = decodePolicy(message);
  if (message.forward_client_cert_matcher === undefined) return { policy, choose: null };
  const policies: ClientCertPolicy[] = [];
  const root = decodeMatcher<StreamInfo, Headers>(
    message.forward_client_cert_matcher as MatcherPb,
    {
      input: exchangeInput,
      metadata: (info) => info.dynamicMetadata,
      action(type, action, at) {
        if (type === ACTION) return policies.push(decodePolicy(action as PolicyPb)) - 1;
        at.reject('', `${type} is not supported: only ${ACTION} is`);
        return NO_MATCH;
      },
    },
    d.at('forward_client_cert_matcher'),
  );
  return { policy, choose: (info, headers) => policies[root(info, headers)] ?? policy };
}

function decodePolicy(message: PolicyPb): ClientCertPolicy {
  const { forward_client_cert_details: mode, set_current_client_cert_details: set = {} } = message;
  return Object.freeze({
    mode: typeof mode === 'string' ? (mode as ClientCertMode) : 'SANITIZE',
    isJson: set.format === 'JSON',
    subject: set.subject ?? false,
    cert: set.cert ?? false,
    chain: set.chain ?? false,
    uri: set.uri ?? false,
    dns: set.dns ?? false,
    issuer: set.issuer ?? false,
  });
}
