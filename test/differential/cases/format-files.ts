// Differential cases: formats with the content of files and with secrets.
import type { Case, Group } from '../case.ts';
import type { Fields } from '../config.ts';
import { any, bootstrap, cluster, direct, fileLog, http } from '../config.ts';
import { get } from '../messages.ts';
import type { ConfigCase } from './bad-configs.ts';

const FORMATTERS: readonly Fields[] = [
  { name: 'files', typed_config: any('envoy.extensions.formatter.file_content.v3.FileContent') },
];
const secretsOf = (secret_configs: Fields): Fields => ({
  name: 'secrets',
  typed_config: any('envoy.extensions.formatter.generic_secret.v3.GenericSecret', { secret_configs }),
});
const NAMED: Fields = {
  plain: { name: 'password' },
  binary: { name: 'binary' },
  nothing: { name: 'nothing' },
};
const SECRETS: readonly Fields[] = [
  { name: 'password', generic_secret: { secret: { inline_string: 'hush "hush" ü' } } },
  { name: 'binary', generic_secret: { secret: { inline_bytes: 'AH+A/yI=' } } },
  { name: 'nothing', generic_secret: { secret: { inline_string: '' } } },
];

const formatters = [...FORMATTERS, secretsOf(NAMED)];
const TEXTS: readonly string[] = [
  '%FILE_CONTENT({{dir}}/word.txt)%', '%FILE_CONTENT({{dir}}/word.txt):3%', '%FILE_CONTENT({{dir}}/empty.txt)%',
  '%FILE_CONTENT({{dir}}/word.txt:{{dir}})%', '%FILE_CONTENT(:{{dir}}/word.txt:)%',
  '%FILE_CONTENT({{dir}}/word.txt):0%', '%SECRET(plain)%', '%SECRET(plain):4%', '%SECRET(nothing)%',
]; // biome-ignore format: a table.

const JSON_FORMAT: Fields = {
  word: '%FILE_CONTENT({{dir}}/word.txt)%',
  empty: '%FILE_CONTENT({{dir}}/empty.txt)%',
  mixed: 'a%FILE_CONTENT({{dir}}/empty.txt)%b%FILE_CONTENT({{dir}}/word.txt):1%',
  plain: '%SECRET(plain)%',
  nothing: '%SECRET(nothing)%',
  short: '%SECRET(plain):7%',
};

const log = (format: Fields): Fields => fileLog({ log_format: { ...format, formatters } });

export const formatFileGroups: readonly Group[] = [
  {
    name: 'formats: files and secrets',
    config: bootstrap({
      listeners: [
        http({
          name: 'main',
          routes: [direct({ prefix: '/' }, 200)],
          log: [
            log({ text_format_source: { inline_string: `${TEXTS.map((each) => `[${each}]`).join(' ')}\n` } }),
            log({ json_format: JSON_FORMAT }),
            log({ json_format: JSON_FORMAT, omit_empty_values: true }),
          ],
        }),
        http({
          name: 'binary',
          routes: [direct({ prefix: '/' }, 200)],
          log: [log({ text_format_source: { inline_string: '[%SECRET(binary)%]\n' } })],
        }),
      ],
      clusters: [cluster('a')],
      around: {},
    }),
    files: { 'word.txt': 'word "quoted" ü', 'empty.txt': '' },
    cases: [
      { name: 'as they are', send: get('/') },
      { name: 'a secret of any bytes', to: 'binary', send: get('/') },
    ] satisfies Case[],
  },
];

// Secrets stand beside listeners and clusters, which is what `bootstrap` makes.
for (const { config } of formatFileGroups) {
  const { static_resources: statics } = config as { static_resources: { secrets?: readonly Fields[] } };
  statics.secrets = SECRETS;
}

const configured = (name: string, text: string, row: Partial<ConfigCase>, extensions = formatters): ConfigCase => {
  const config = bootstrap({
    listeners: [
      http({
        name: 'main',
        log: [fileLog({ log_format: { text_format_source: { inline_string: text }, formatters: extensions } })],
      }),
    ],
    clusters: [cluster('a', ['free.a'])],
  });
  return {
    name: `formats: ${name}`,
    config: { ...config, static_resources: { ...(config['static_resources'] as Fields), secrets: SECRETS } },
    ...row,
  };
};
const bad = (...mentions: string[]): Partial<ConfigCase> => ({ mentions });

export const formatFileConfigCases: readonly ConfigCase[] = [
  configured('a file that is not there', '%FILE_CONTENT({{dir}}/none.txt)%\n', bad('Invalid path', 'none.txt')),
  configured('no file', '%FILE_CONTENT()%\n', bad('FILE_CONTENT: expected format')),
  configured('no file at all', '%FILE_CONTENT%\n', bad('FILE_CONTENT: expected format')),
  configured('too many files', '%FILE_CONTENT(a:b:c)%\n', bad("got 'a:b:c'")),
  configured('a directory that is not there', '%FILE_CONTENT(/etc/hosts:{{dir}}/none)%\n', bad('none')),
  configured('a file without the extension', '%FILE_CONTENT(/etc/hosts)%\n', bad('FILE_CONTENT'), []),
  configured('a secret that nobody names', '%SECRET(other)%\n', bad("secret 'other' is not configured")),
  configured('no secret', '%SECRET%\n', bad("secret '' is not configured")),
  configured('a secret that is not there', 'x\n', bad("secret 'none' not found"), [secretsOf({ x: { name: 'none' } })]),
  configured('no secrets', 'x\n', bad('secret_configs'), [secretsOf({})]),
  configured(
    'a secret of a server',
    'x\n',
    {
      ...bad('sds_config'),
      stricter: 'secrets of servers are not given to formats',
    },
    [secretsOf({ x: { name: 'x', sds_config: { ads: {} } } })],
  ),
];
