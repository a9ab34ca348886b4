// Rules about who the client is: rbac by principal, matchers of certificates, routes by TLS.
import type { Case, Group } from '../case.ts';
import { any, bootstrap, cluster, direct, type Fields, filter } from '../config.ts';
import type { TestCertificate } from '../../support/certificates.ts';
import { makeCertificate } from '../../support/certificates.ts';
import { ca, call, client, https, plainClient, strangeClient, trusted } from './tls-fixtures.ts';

const HTTP_RBAC = 'envoy.extensions.filters.http.rbac.v3.RBAC';
const NETWORK_RBAC = 'envoy.extensions.filters.network.rbac.v3.RBAC';
const SSL_INPUTS = 'envoy.extensions.matching.common_inputs.ssl.v3';
const ANY = [{ any: true }];

/** With an empty list of names, which is not the same as none. */
const expired = makeCertificate({
  issuer: ca,
  subject: [['CN', 'expired']],
  sans: [{ uri: 'spiffe://test/ns/a/sa/b' }],
  notBefore: new Date('2020-01-01T00:00:00Z'),
  notAfter: new Date('2021-01-01T00:00:00Z'),
});
const CLIENTS: readonly (readonly [string, TestCertificate | null])[] = [
  ['all names', client],
  ['no names', plainClient],
  ['a stranger', strangeClient],
  ['an expired one', expired],
  ['none', null],
];

const name = (matcher: Fields): Fields => ({ authenticated: { principal_name: matcher } });
const mtls = (fields: Fields): Fields => ({
  custom: {
    name: 'mtls',
    typed_config: any('envoy.extensions.rbac.principals.mtls_authenticated.v3.Config', fields),
  },
});
const PRINCIPALS: readonly (readonly [string, Fields])[] = [
  ['authenticated', { authenticated: {} }],
  ['uri', name({ exact: 'spiffe://test/ns/a/sa/b' })],
  ['second-uri', name({ prefix: 'https://client' })],
  ['dns', name({ exact: 'client.example' })],
  ['subject', name({ suffix: 'CN=plain' })],
  ['subject-behind-sans', name({ contains: 'CN=client' })],
  ['email', name({ exact: 'client@example' })],
  ['empty', name({ exact: '' })],
  ['anything', name({ safe_regex: { regex: '.*' } })],
  ['anyone-not', { not_id: { authenticated: {} } }],
  ['mtls', mtls({ any_validated_client_certificate: true })],
  ['mtls-uri', mtls({ san_matcher: { san_type: 'URI', matcher: { prefix: 'spiffe://test/' } } })],
];

const untrusted = { requires: false, validation: { ...trusted, trust_chain_verification: 'ACCEPT_UNTRUSTED' } };

function rbac(type: string, principal: Fields): Fields {
  const policies = { p: { permissions: ANY, principals: [principal] } };
  const prefix = type === NETWORK_RBAC ? { stat_prefix: 'rules' } : {};
  return filter('rbac', type, { ...prefix, rules: { action: 'ALLOW', policies } });
}

const rbacListeners = PRINCIPALS.map(([what, principal]) =>
  https({
    name: `who-${what}`,
    tls: untrusted,
    filters: [rbac(HTTP_RBAC, principal)],
    routes: [direct({ prefix: '/' }, 200)],
  }),
);

const rbacCases: Case[] = PRINCIPALS.flatMap(([what]) =>
  CLIENTS.map(([who, certificate]) => ({
    name: `rbac ${what}: ${who}`,
    to: `who-${what}`,
    send: call(certificate === null ? {} : { certificate }),
  })),
);

/** Of a connection: the same rules before the connection manager. */
const networkListeners = PRINCIPALS.slice(0, 5).map(([what, principal]) => {
  const made = https({ name: `tcp-${what}`, tls: untrusted, routes: [direct({ prefix: '/' }, 200)] }) as {
    filter_chains: readonly [{ filters: readonly Fields[] }];
  };
  const [chain] = made.filter_chains;
  return { ...made, filter_chains: [{ ...chain, filters: [rbac(NETWORK_RBAC, principal), ...chain.filters] }] };
});
const networkCases: Case[] = PRINCIPALS.slice(0, 5).flatMap(([what]) =>
  CLIENTS.map(([who, certificate]) => ({
    name: `network rbac ${what}: ${who}`,
    to: `tcp-${what}`,
    send: call(certificate === null ? {} : { certificate }),
    stats: ['^rules\\.rbac\\.'],
  })),
);

const INPUTS: readonly (readonly [string, string, Fields])[] = [
  ['uri', 'UriSanInput', { exact: 'spiffe://test/ns/a/sa/b' }],
  ['uri-list', 'UriSanInput', { prefix: 'spiffe://test/ns/a/sa/b,https' }],
  ['dns', 'DnsSanInput', { exact: 'client.example,*.clients.example' }],
  ['subject', 'SubjectInput', { exact: 'CN=plain' }],
  ['subject-empty', 'SubjectInput', { exact: '' }],
];
const inputListeners = INPUTS.map(([what, input, matcher]) =>
  https({
    name: `input-${what}`,
    tls: untrusted,
    filters: [
      filter('rbac', HTTP_RBAC, {
        matcher: {
          matcher_list: {
            matchers: [
              {
                predicate: {
                  single_predicate: {
                    input: { name: 'i', typed_config: any(`${SSL_INPUTS}.${input}`) },
                    value_match: matcher,
                  },
                },
                on_match: {
                  action: {
                    name: 'a',
                    typed_config: any('envoy.config.rbac.v3.Action', { name: 'yes', action: 'ALLOW' }),
                  },
                },
              },
            ],
          },
        },
      }),
    ],
    routes: [direct({ prefix: '/' }, 200)],
  }),
);
const inputCases: Case[] = INPUTS.flatMap(([what]) =>
  CLIENTS.map(([who, certificate]) => ({
    name: `input ${what}: ${who}`,
    to: `input-${what}`,
    send: call(certificate === null ? {} : { certificate }),
  })),
);

const FLAGS = [{ presented: true }, { presented: false }, { validated: true }, { validated: false }, {}];
const both = { presented: true, validated: true };
const routeListener = https({
  name: 'routes',
  tls: untrusted,
  routes: [...FLAGS, both].map((tls_context, i) => direct({ path: `/${i}`, tls_context }, 200)),
});
const routeCases: Case[] = [...FLAGS, both].flatMap((flags, i) =>
  CLIENTS.map(([who, certificate]) => ({
    name: `route of ${JSON.stringify(flags)}: ${who}`,
    to: 'routes',
    send: [{ tls: certificate === null ? {} : { certificate } }, `GET /${i} HTTP/1.1\r\nhost: x\r\n\r\n`, { read: 1 }],
  })),
);

export const tlsRuleGroups: readonly Group[] = [
  { name: 'tls rbac', config: bootstrap({ listeners: rbacListeners, clusters: [cluster('a')] }), cases: rbacCases },
  {
    name: 'tls network rbac',
    config: bootstrap({ listeners: networkListeners, clusters: [cluster('a')] }),
    cases: networkCases,
  },
  { name: 'tls inputs', config: bootstrap({ listeners: inputListeners, clusters: [cluster('a')] }), cases: inputCases },
  {
    name: 'tls routes',
    config: bootstrap({ listeners: [routeListener], clusters: [cluster('a')] }),
    cases: routeCases,
  },
];
