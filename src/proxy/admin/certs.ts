// The endpoint /certs: the certificates of all TLS contexts in use. Source: envoy.admin.v3.Certificates.
import type { AdminHandler } from './admin-handler.ts';
import type { AdminContext } from './handlers.ts';
import { jsonText } from './json-writer.ts';

export function certsHandlers({ proxy }: AdminContext): AdminHandler[] {
  return [
    {
      path: '/certs',
      help: 'print certs on machine',
      mutates: false,
      handle: () => ({
        later: (answer) =>
          proxy.crew.inquire({ about: 'certificates' }, ([first]) => {
            if (first?.isGood !== true) {
              const why = first?.text ?? 'no worker answered in time';
              answer({ status: 503, body: `The certificates cannot be told: ${why}\n` });
              return;
            }
            const certificates = JSON.parse(first.text) as unknown[];
            answer({ status: 200, contentType: 'application/json', body: `${jsonText({ certificates })}\n` });
          }),
      }),
    },
  ];
}
