// The Proxy-Status header (RFC 9209): which error a failure is for others, and the status that goes with it.
import { headerKey } from '../../wire/header-names.ts';
import { type Headers, isSendable } from '../../wire/headers.ts';
import { Flag, responseFlagsText, type StreamInfo } from '../stream-info.ts';

/** proxy_status_config. */
export type ProxyStatusConfig = {
  /** How this proxy calls itself. */
  readonly name: string;
  readonly hasDetails: boolean;
  readonly hasTerminationDetails: boolean;
  readonly hasFlags: boolean;
  readonly setsStatus: boolean;
};

type ProxyError = { readonly name: string; readonly status: number };

const unavailable: ProxyError = { name: 'destination_unavailable', status: 503 };
const terminated: ProxyError = { name: 'connection_terminated', status: 502 };
const overLimit: ProxyError = { name: 'connection_limit_reached', status: 503 };
const timedOut: ProxyError = { name: 'http_response_timeout', status: 504 };
/** The answer says best what was wrong with the request. */
const badRequest: ProxyError = { name: 'http_request_error', status: 0 };

/** The first flag that is set decides. Source: Envoy ProxyStatusUtils::fromStreamInfo; statuses as RFC 9209 §2.3. */
const ERRORS: readonly (readonly [flag: number, error: ProxyError])[] = [
  [Flag.LH, unavailable],
  [Flag.UH, unavailable],
  [Flag.UT, timedOut],
  [Flag.LR, { name: 'connection_timeout', status: 504 }],
  [Flag.UR, terminated],
  [Flag.UF, { name: 'connection_refused', status: 502 }],
  [Flag.UC, terminated],
  [Flag.UO, overLimit],
  [Flag.NR, { name: 'destination_not_found', status: 500 }],
  [Flag.FI, badRequest],
  [Flag.RL, overLimit],
  [Flag.RLSE, overLimit],
  [Flag.URX, unavailable],
  [Flag.SI, timedOut],
  [Flag.IH, badRequest],
  [Flag.DPE, badRequest],
  [Flag.UMSDR, timedOut],
  [Flag.NFCF, { name: 'proxy_configuration_error', status: 500 }],
  [Flag.UPE, { name: 'http_protocol_error', status: 502 }],
  [Flag.NC, unavailable],
  [Flag.DF, { name: 'dns_error', status: 502 }],
  [Flag.DO, overLimit],
];
const ERROR_FLAGS = ERRORS.reduce((all, [flag]) => all | flag, 0);
const PROXY_STATUS = headerKey('proxy-status');

/**
 * Says in an answer what failed, and gives it the status for that if the configuration wants so. `flags`: those that
 * count, which are not all where the request could not be read.
 */
export function setProxyStatus(headers: Headers, info: StreamInfo, flags: number, config: ProxyStatusConfig): void {
  if ((flags & ERROR_FLAGS) === 0) return;
  const error = (ERRORS.find(([flag]) => (flags & flag) !== 0) as (typeof ERRORS)[number])[1];
  const text = `${config.name}; error=${error.name}${config.hasDetails ? detailsOf(info, config) : ''}`;
  if (isSendable(text)) headers.appendValue(PROXY_STATUS, text, ', ');
  if (config.setsStatus && error.status !== 0) headers.status = error.status;
}

function detailsOf(info: StreamInfo, config: ProxyStatusConfig): string {
  if (info.responseCodeDetails === null) return '';
  const parts = [info.responseCodeDetails];
  const { terminationDetails } = info.connection;
  if (config.hasTerminationDetails && terminationDetails !== '') parts.push(terminationDetails);
  if (config.hasFlags && info.flags !== 0) parts.push(responseFlagsText(info.flags));
  return `; details="${parts.join('; ').replace(/[\\"]/g, '\\$&')}"`;
}
