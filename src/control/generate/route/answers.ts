// What a proxy answers itself: redirects and fixed responses.
import type { MessageTypes } from '../../../proto/generated/types.d.ts';
import type { DirectResponse, Redirect } from '../../model/route.ts';

type RedirectAction = MessageTypes['envoy.config.route.v3.RedirectAction'];
type DirectResponseAction = MessageTypes['envoy.config.route.v3.DirectResponseAction'];

const CODES: Readonly<Record<number, NonNullable<RedirectAction['response_code']>>> = {
  301: 'MOVED_PERMANENTLY',
  302: 'FOUND',
  303: 'SEE_OTHER',
  307: 'TEMPORARY_REDIRECT',
  308: 'PERMANENT_REDIRECT',
};

/** The path is always said: an empty one leaves the request's. */
export function redirectAction(
  redirect: Redirect,
  context: { readonly port: number; readonly isTls: boolean },
): RedirectAction {
  const port = redirectPort(redirect, context);
  const { path } = redirect;
  return {
    ...(redirect.authority !== '' && { host_redirect: redirect.authority }),
    ...(path?.kind === 'prefix' ? { prefix_rewrite: path.value } : { path_redirect: path?.value ?? '' }),
    ...(redirect.scheme !== '' && { scheme_redirect: redirect.scheme }),
    ...(port !== 0 && { port_redirect: port }),
    response_code: CODES[redirect.code] ?? 'MOVED_PERMANENTLY',
  };
}

/** 0: none is written. The scheme's own port never is. */
function redirectPort(redirect: Redirect, context: { readonly port: number; readonly isTls: boolean }): number {
  if (redirect.port === null || redirect.port === 'FROM_PROTOCOL_DEFAULT') return 0;
  const port = redirect.port === 'FROM_REQUEST_PORT' ? context.port : redirect.port;
  const scheme = redirect.scheme === '' ? (context.isTls ? 'https' : 'http') : redirect.scheme;
  const isOwn = (port === 80 && scheme === 'http') || (port === 443 && scheme === 'https');
  return isOwn ? 0 : port;
}

export function directAction({ status, body }: DirectResponse): DirectResponseAction {
  if (body === null) return { status };
  if ('text' in body) return { status, body: { inline_string: body.text } };
  return { status, body: { inline_bytes: Buffer.from(body.bytes, 'base64') } };
}
