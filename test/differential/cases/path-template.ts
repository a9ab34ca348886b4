// Differential cases: path templates, as rbac has them.
import type { Case, Group } from '../case.ts';
import { any, bootstrap, cluster, type Fields, filter, http, match } from '../config.ts';
import { get, response } from '../messages.ts';

const RBAC = 'envoy.extensions.filters.http.rbac.v3.RBAC';
const RBAC_ROUTE = 'envoy.extensions.filters.http.rbac.v3.RBACPerRoute';
const TEMPLATE = 'envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig';

const TEMPLATES = [
  '/',
  '/a/*/b',
  '/c/**',
  '/**',
  '/a/',
  '/a.b',
  '/a+(b)$c',
  '/a=b',
  '/*.html',
  '/{a}/{b=x/*}/{c=**}',
  '/{a}.jpg',
  '/**.m3u8',
  '/a/{b}/**',
  '/*/*',
  '/a*b',
  '/{a=x*/*}',
  '/*a*',
];

const PATHS = [
  '/', '/a/x/b', '/a/x.y~%20/b', '/a//b', '/a/x/y/b', '/a/x/b/', '/a/*/b', '/a/x/b?c=/d', '/a/=/b', '/a/[x]/b',
  '/c', '/c/', '/c/x', '/c/x/y/', '/c//', '/c/*', '/c/x?y', '/a', '/a/', '/a.b', '/axb', '/a+(b)$c', '/aab', '/a=b',
  '/x.html', '/.html', '/x/y.html', '/1/x/2/', '/1/x/2/3/4', '/1/x/2', '/x.jpg', '/x.jpg?1', '/a/b.m3u8', '/.m3u8',
  '/a/b/', '/a/b/c/d', '/a*b', '/ab', '/x*/y', '/xxx/y', '/ba*', '/baa', "/a/-._~!$&'()+,;:@/b", '/a/%zz/b',
]; // biome-ignore format: a table.

function guarded(template: string, i: number): Fields {
  const permission = { uri_template: { name: 'any', typed_config: any(TEMPLATE, { path_template: template }) } };
  const policies = { p: { permissions: [permission], principals: [{ any: true }] } };
  const rbac = any(RBAC_ROUTE, { rbac: { rules: { action: 'ALLOW', policies } } });
  const headers = [{ name: 'x-template', string_match: { exact: String(i) } }];
  return match({ prefix: '/', headers }, 'a', {}, { typed_per_filter_config: { 'envoy.filters.http.rbac': rbac } });
}

const config = bootstrap({
  listeners: [
    http({ name: 'main', filters: [filter('envoy.filters.http.rbac', RBAC)], routes: TEMPLATES.map(guarded) }),
  ],
  clusters: [cluster('a')],
});

const cases: readonly Case[] = TEMPLATES.map((template, i) => ({
  name: template,
  to: 'main',
  send: PATHS.flatMap((path, n) => [get(path, `x-template: ${i}`), { read: n + 1 }]),
  upstream: PATHS.map(() => response(200, 'ok')),
}));

export const pathTemplateGroups: readonly Group[] = [{ name: 'path template', config, cases }];
