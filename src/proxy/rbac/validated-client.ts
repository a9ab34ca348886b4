// The principal of clients whose certificate was verified: envoy.rbac.principals.mtls_authenticated.
import type { CertificateFacts } from '../../base/byte-stream.ts';
import type { SubjectAltNameMatcher } from '../../proto/generated/types.d.ts';
import type { ConfigDecoder } from '../config-decoder.ts';
import type { StreamInfo } from '../stream-info.ts';
import { decodeSanMatcher } from '../tls/decode-validation.ts';
import type { SanMatcher } from '../tls/tls-config.ts';
import type { Rule } from './rules.ts';

export const VALIDATED_CLIENT = 'envoy.extensions.rbac.principals.mtls_authenticated.v3.Config';

/** Left out, and so refused: names of other kinds, which are not told with their types. */
export const VALIDATED_CLIENT_FIELDS = {
  [VALIDATED_CLIENT]: 'any_validated_client_certificate san_matcher',
} as const;

export type ValidatedClientPb = {
  readonly any_validated_client_certificate?: boolean;
  readonly san_matcher?: SubjectAltNameMatcher;
};

/** Unlike `authenticated` it never takes a client that was let in without being verified. */
export class ValidatedClientRule implements Rule {
  readonly #san: SanMatcher | null;

  constructor(san: SanMatcher | null) {
    this.#san = san;
  }

  matches(info: StreamInfo): boolean {
    const { tls } = info.connection;
    if (tls === null || !tls.isPeerVerified || tls.peerCertificate === null) return false;
    const san = this.#san;
    if (san === null) return true;
    const names = namesOf(tls.peerCertificate, san.type);
    for (const name of names) if (san.matcher.matches(name)) return true;
    return false;
  }
}

function namesOf(peer: CertificateFacts, type: SanMatcher['type']): readonly string[] {
  switch (type) {
    case 'URI':
      return peer.uriSans;
    case 'DNS':
      return peer.dnsSans;
    case 'EMAIL':
      return peer.emailSans;
    case 'IP_ADDRESS':
      return peer.ipSans;
    case 'OTHER_NAME':
      return NO_NAMES;
  }
}
const NO_NAMES: readonly string[] = [];

export function decodeValidatedClient(message: ValidatedClientPb, d: ConfigDecoder): Rule {
  const { any_validated_client_certificate: any, san_matcher: san } = message;
  if (any !== true && san === undefined) {
    d.reject(
      '',
      'envoy.rbac.principals.mtls_authenticated did not have any configured validation. At least one configuration ' +
        'field must be set.',
    );
  }
  if (san === undefined) return new ValidatedClientRule(null);
  if (san.san_type === 'OTHER_NAME') d.at('san_matcher').reject('san_type', 'OTHER_NAME is not supported here');
  return new ValidatedClientRule(decodeSanMatcher(san, d.at('san_matcher')));
}
