// The endpoint /tap: attaches a tap to filters with that config_id, for as long as its client listens.
import { load, YAMLException } from 'js-yaml';
import { encodeBinary } from '../../proto/binary-encode.ts';
import { fromJson } from '../../proto/json-decode.ts';
import { registry } from '../../proto/registry.ts';
import { Report } from '../../proto/report.ts';
import { validateRules } from '../../proto/rules.ts';
import { TAP_REQUEST, type TapAnswer } from '../workers/taps.ts';
import type { AdminHandler, AdminRequest, AdminResponse, LaterAdminResponse } from './admin-handler.ts';
import { badRequest } from './admin-handler.ts';
import type { AdminContext } from './handlers.ts';
import { TapSession, type TraceBuffer } from './tap-session.ts';

/** envoy.admin.v3.TapRequest, as far as it is looked at here. */
type TapRequest = {
  readonly config_id: string;
  readonly tap_config: {
    readonly output_config: {
      readonly sinks: readonly [
        {
          readonly buffered_admin?: {
            readonly max_traces: number | bigint;
            readonly timeout?: { readonly seconds: number | bigint; readonly nanos: number };
          };
        },
      ];
    };
  };
};

export function tapHandlers({ proxy }: AdminContext): AdminHandler[] {
  const taps = new Taps(proxy);
  return [
    {
      path: '/tap',
      help: 'tap filter control',
      mutates: true,
      isThere: proxy.hasTaps,
      handle: (request) => taps.handle(request),
    },
  ];
}

/** One client at a time. Source: Envoy AdminHandler of taps. */
class Taps {
  readonly #proxy: AdminContext['proxy'];
  #session: TapSession | null = null;
  #number = 0;

  constructor(proxy: AdminContext['proxy']) {
    this.#proxy = proxy;
  }

  handle({ body }: AdminRequest): AdminResponse | LaterAdminResponse {
    if (this.#session !== null) return badRequest('An attached /tap admin stream already exists. Detach it.');
    if (body.length === 0) return badRequest('/tap requires a JSON/YAML body');
    const request = parse(body.toString('utf8'));
    return typeof request === 'string' ? badRequest(request) : { later: (answer) => this.#attach(request, answer) };
  }

  #attach(request: TapRequest, answer: (response: AdminResponse) => void): void {
    const { crew, clock, parts } = this.#proxy;
    const { config_id: configId } = request;
    const session: TapSession = new TapSession(bufferOf(request), {
      clock,
      warn: (text) => parts.logs.logger('admin').warn(text),
      detach: () => {
        if (this.#session === session) crew.detachTap();
      },
      over: () => {
        if (this.#session === session) this.#session = null;
      },
    });
    this.#session = session;
    const bytes = encodeBinary(registry.message(TAP_REQUEST), request as never);
    const attachment = { number: ++this.#number, configId, request: bytes };
    crew.attachTap(
      attachment,
      (piece, taken) => session.take(piece, taken),
      (answers) => {
        const problem = problemOf(configId, answers);
        if (problem === null) {
          answer({ status: 200, body: session });
          return;
        }
        session.stop();
        answer(badRequest(problem));
      },
    );
  }
}

function problemOf(configId: string, answers: readonly TapAnswer[]): string | null {
  if (answers.length === 0) return 'No worker answered in time. Ask again.';
  if (!answers.some(({ isKnown }) => isKnown)) {
    return `Unknown config id '${configId}'. No extension has registered with this id.`;
  }
  return answers.find(({ problem }) => problem !== '')?.problem ?? null;
}

function bufferOf({ tap_config: config }: TapRequest): TraceBuffer | null {
  const buffered = config.output_config.sinks[0].buffered_admin;
  if (buffered === undefined) return null;
  const { max_traces: most, timeout } = buffered;
  const timeoutMs = timeout === undefined ? 0 : Number(timeout.seconds) * 1000 + timeout.nanos / 1e6;
  return { mostTraces: Number(most), timeoutMs };
}

/** Returns what is wrong instead. */
function parse(text: string): TapRequest | string {
  let value: unknown;
  try {
    value = load(text);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const at = error.mark === undefined ? '' : ` at line ${error.mark.line + 1}, column ${error.mark.column + 1}`;
    return `broken YAML${at}: ${error.reason}`;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return `Unable to convert YAML as JSON: ${text}`;
  }
  const type = registry.message(TAP_REQUEST);
  const report = new Report();
  const message = fromJson(type, value, report);
  if (report.isEmpty) validateRules(type, message, report);
  return report.isEmpty ? (message as unknown as TapRequest) : report.toString();
}
