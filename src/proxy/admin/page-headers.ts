// What browsers are told about pages of the admin interface: nothing from elsewhere runs in them, nobody frames them.

const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'";

export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'x-frame-options': 'DENY',
};

/** Of a page with that one script, by its digest. */
export function scriptedPageHeaders(scriptDigest: string): Readonly<Record<string, string>> {
  return {
    ...PAGE_HEADERS,
    'content-security-policy': `${POLICY}; script-src 'sha256-${scriptDigest}'; connect-src 'self'`,
  };
}
