// The TLS contexts in use, as /certs shows them: certificates and authorities, with the times that they end.
import { readCertificateNames } from '../../net/tls/certificate-names.ts';
import { readCertificateParts } from '../../net/tls/certificate-parts.ts';
import { pemBlocks } from '../../net/tls/pem.ts';
import type { CertificateSecret, ValidationSecret } from './tls-config.ts';

/** What one listener's chain or one cluster uses now. */
export type LiveContext = {
  readonly certificates: readonly CertificateSecret[];
  readonly validation: ValidationSecret | null;
};

/** By their owners, in the order in which those came. */
export type LiveContexts = Map<object, LiveContext>;

const DAY_MS = 86_400_000;

/** envoy.admin.v3.Certificate in proto-JSON. Source: Envoy ServerInfoHandler::handlerCerts. */
export function* certificatesJson(contexts: LiveContexts, wallMs: number): Generator<object> {
  for (const { certificates, validation } of contexts.values()) {
    const cas = validation?.trustedCa ?? null;
    const caName = validation?.trustedCaName ?? '';
    yield {
      ca_cert: cas === null ? [] : pemBlocks(cas, 'CERTIFICATE').map((pem) => details(pem, caName, wallMs)),
      // The leaf alone, as Envoy.
      cert_chain: certificates.map((one) => {
        const shown = details(pemBlocks(one.chain, 'CERTIFICATE')[0] ?? '', one.chainName ?? '', wallMs);
        const ocsp = one.ocspStaple === null ? null : ocspTimes(one.ocspStaple);
        return ocsp === null ? shown : { ...shown, ocsp_details: ocsp };
      }),
    };
  }
}

function details(pem: string, path: string, wallMs: number): object {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const parts = readCertificateParts(der);
  if (parts === null) return { path };
  const { dnsSans, uriSans, ipSans } = readCertificateNames(der);
  const { validFromMs, validToMs } = parts;
  const leftMs = validToMs - Math.floor(wallMs / 1000) * 1000;
  return {
    path,
    serial_number: serialText(der.subarray(parts.serial.start, parts.serial.end)),
    subject_alt_names: [
      ...dnsSans.map((dns) => ({ dns })),
      ...uriSans.map((uri) => ({ uri })),
      ...ipSans.map((ip_address) => ({ ip_address })),
    ],
    days_until_expiration: String(Math.max(0, Math.floor(leftMs / DAY_MS))),
    valid_from: timeText(validFromMs),
    expiration_time: timeText(validToMs),
  };
}

/** Hex without leading zero bytes: the DER of a number has one where its first bit is set. */
function serialText(bytes: Buffer): string {
  let start = 0;
  while (start < bytes.length && bytes[start] === 0) start++;
  return bytes.toString('hex', start);
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}

/** thisUpdate and nextUpdate: the first two times behind producedAt; null for what is no response. */
function ocspTimes(der: Buffer): { valid_from: string; expiration: string } | null {
  const times: number[] = [];
  // GeneralizedTime in the form that RFC 6960 §4.2.2.1 asks for: YYYYMMDDHHMMSSZ.
  for (let at = 0; (at = der.indexOf(GENERALIZED_TIME, at)) >= 0; at += 2) {
    const text = der.toString('latin1', at + 2, at + 17);
    const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
    if (match === null) continue;
    const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [number, ...number[]];
    times.push(Date.UTC(year, (month ?? 1) - 1, day, hour, minute, second));
  }
  const [, from, to] = times;
  return from === undefined || to === undefined ? null : { valid_from: timeText(from), expiration: timeText(to) };
}
const GENERALIZED_TIME = Buffer.from([0x18, 0x0f]);
