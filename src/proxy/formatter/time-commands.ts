// Commands that show times and durations.
import type { FormatContext } from './format-context.ts';
import type { StreamInfo } from '../stream-info.ts';
import { type Command, type CommandUse, number, type Operator, plain, safeText, text } from './operator.ts';
import { DEFAULT_LOCAL_TIME_FORMAT, hasNewline, IsoTimeFormat, TimeFormat } from './time-format.ts';

/** Time points of COMMON_DURATION; 0 means that it did not happen. */
const POINTS: Readonly<Record<string, (info: StreamInfo) => number>> = {
  DS_RX_BEG: (info) => info.startMs,
  DS_RX_END: (info) => info.lastDownstreamRxMs,
  US_CX_BEG: (info) => info.upstreamTimes.startMs,
  US_CX_END: (info) => info.upstreamTimes.endMs,
  US_HS_END: (info) => info.upstreamTimes.handshakeEndMs,
  US_TX_BEG: (info) => info.firstUpstreamTxMs,
  US_TX_END: (info) => info.lastUpstreamTxMs,
  US_RX_BEG: (info) => info.firstUpstreamRxMs,
  US_RX_END: (info) => info.lastUpstreamRxMs,
  DS_TX_BEG: (info) => info.firstDownstreamTxMs,
  DS_TX_END: (info) => info.lastDownstreamTxMs,
};
const PER_MS: Readonly<Record<string, number>> = { ms: 1, us: 1e3, ns: 1e6 };

const sinceStart = (get: (info: StreamInfo) => number): Command =>
  plain(
    number((ctx) => {
      const at = get(ctx.info);
      return at === 0 ? Number.NaN : Math.trunc(at - ctx.info.startMs);
    }),
  );

/** Commands by name. */
export const TIME_COMMANDS: Readonly<Record<string, Command>> = {
  START_TIME: { params: 'optional', make: (use) => timeOperator(use, false, startTime) },
  START_TIME_LOCAL: { params: 'optional', make: (use) => timeOperator(use, true, startTime) },
  EMIT_TIME: { params: 'optional', make: (use) => timeOperator(use, false, null) },
  EMIT_TIME_LOCAL: { params: 'optional', make: (use) => timeOperator(use, true, null) },
  REQUEST_DURATION: sinceStart((info) => info.lastDownstreamRxMs),
  REQUEST_TX_DURATION: sinceStart((info) => info.lastUpstreamTxMs),
  RESPONSE_DURATION: sinceStart((info) => info.firstUpstreamRxMs),
  RESPONSE_TX_DURATION: plain(
    number(({ info }) => {
      if (info.lastDownstreamTxMs === 0 || info.firstUpstreamRxMs === 0) return Number.NaN;
      return Math.trunc(info.lastDownstreamTxMs - info.firstUpstreamRxMs);
    }),
  ),
  DURATION: {
    params: 'none',
    make({ environment: { clock } }) {
      return number(({ info }) => Math.trunc((info.endMs === 0 ? clock.nowMs : info.endMs) - info.startMs));
    },
  },
  COMMON_DURATION: { params: 'required', make: commonDuration },
  UPSTREAM_CONNECTION_POOL_READY_DURATION: plain(
    number(({ info }) => (info.upstream === null ? Number.NaN : Math.trunc(info.upstreamConnectionPoolReadyMs))),
  ),
  // Acknowledged bytes and the downstream handshake are not measured.
  ROUNDTRIP_DURATION: plain(number(() => Number.NaN)),
  DOWNSTREAM_HANDSHAKE_DURATION: plain(number(() => Number.NaN)),
};

function startTime(info: StreamInfo): number {
  return info.startWallMs;
}

function timeOperator(use: CommandUse, isLocal: boolean, wallMs: typeof startTime | null): Operator | null {
  const { clock } = use.environment;
  return formattedTime(use, isLocal, wallMs === null ? () => clock.wallMs : (ctx) => wallMs(ctx.info));
}

/** A time in the format that is the parameter, ISO 8601 by default; NaN stands for none. */
export function formattedTime(
  use: CommandUse,
  isLocal: boolean,
  wallMs: (ctx: FormatContext) => number,
): Operator | null {
  if (hasNewline(use.param)) {
    use.reject('Invalid header configuration. Format string contains newline.');
    return null;
  }
  const format =
    use.param === '' && !isLocal
      ? new IsoTimeFormat()
      : new TimeFormat(use.param === '' ? DEFAULT_LOCAL_TIME_FORMAT : use.param, isLocal);
  // The default has nothing to escape; a format of one's own may hold anything.
  const make = use.param === '' ? safeText : text;
  return make((ctx) => {
    const ms = wallMs(ctx);
    return Number.isNaN(ms) ? null : format.format(ms);
  });
}

/** COMMON_DURATION(start:end:precision); points that nobody sets are names all the same, as in Envoy. */
function commonDuration(use: CommandUse): Operator | null {
  const [start, end, precision, ...more] = use.param.split(':');
  if (start === undefined || end === undefined || more.length > 0) {
    use.reject(`Invalid common duration configuration: ${use.param}.`);
    return null;
  }
  const perMs = PER_MS[precision ?? 'ms'];
  if (perMs === undefined) {
    use.reject(`Invalid common duration precision: ${precision}.`);
    return null;
  }
  const from = POINTS[start];
  const to = POINTS[end];
  if (from === undefined || to === undefined) return number(() => Number.NaN);
  return number(({ info }) => {
    const a = from(info);
    const b = to(info);
    return a === 0 || b === 0 || b < a ? Number.NaN : Math.trunc((b - a) * perMs);
  });
}
