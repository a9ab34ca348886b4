// `heddle analyze` as a command: what it reads, prints and exits with.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { load } from 'js-yaml';

const HEDDLE = new URL('../../bin/heddle', import.meta.url).pathname;
const directory = mkdtempSync(join(tmpdir(), 'heddle-analyze-'));
after(() => rmSync(directory, { recursive: true, force: true }));

type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

function analyze(args: readonly string[], input = ''): Ended {
  // Of meshes that run on this machine it must not know.
  const env = { ...process.env, XDG_RUNTIME_DIR: directory, TERM: 'dumb' };
  const ended = spawnSync(HEDDLE, ['analyze', ...args], { cwd: directory, env, input, encoding: 'utf8' });
  return { code: ended.status, stdout: ended.stdout, stderr: ended.stderr };
}

function write(name: string, text: string): string {
  const path = join(directory, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return name;
}

const object = (kind: string, name: string, spec: string, namespace = 'prod'): string =>
  `apiVersion: networking.istio.io/v1\nkind: ${kind}\n` +
  `metadata:\n  name: ${name}\n  namespace: ${namespace}\nspec:\n${spec}---\n`;

const service = (name: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: prod}\n` +
  'spec: {ports: [{name: http, port: 80}]}\n---\n';

const routeTo = (host: string): string =>
  `  hosts: [reviews]\n  http:\n  - route:\n    - destination:\n        host: ${host}\n`;

const reviews = write('reviews.yaml', object('VirtualService', 'reviews', routeTo('nowhere')));
const LINE = 'Error [IST0101] (VirtualService prod/reviews reviews.yaml:11:9) Referenced host not found: "nowhere"\n';

describe('heddle analyze', () => {
  it('prints lines as istioctl does, and exits with 79', () => {
    const { code, stdout, stderr } = analyze([reviews]);
    assert.equal(stdout, LINE);
    assert.match(stderr, /^heddle: there are mistakes in reviews\.yaml\nheddle: see https:\/\//);
    assert.equal(code, 79);
  });

  it('prints data with the names of istioctl, and exits with 0', () => {
    const expected = [
      {
        code: 'IST0101',
        documentationUrl: 'https://istio.io/latest/docs/reference/config/analysis/ist0101/?ref=heddle-analyze',
        level: 'Error',
        message: 'Referenced host not found: "nowhere"',
        origin: 'VirtualService prod/reviews',
        reference: 'reviews.yaml:11:9',
      },
    ];
    const json = analyze(['-o', 'json', reviews]);
    assert.deepEqual(JSON.parse(json.stdout), expected);
    assert.equal(json.code, 0);
    assert.deepEqual(load(analyze(['-o', 'yaml', reviews]).stdout), expected);
  });

  it('finds nothing in what is right', () => {
    const { code, stdout, stderr } = analyze([reviews, write('service.yaml', service('nowhere'))]);
    assert.equal(stdout, '');
    assert.equal(stderr, '✔ No validation issues found when analyzing reviews.yaml, service.yaml.\n');
    assert.equal(code, 0);
  });

  it('reads directories whole, and the standard input', () => {
    write('tree/below/reviews.yaml', object('VirtualService', 'reviews', routeTo('nobody')));
    assert.match(analyze(['tree']).stdout, /tree\/below\/reviews\.yaml:11:9\) Referenced host not found: "nobody"/);
    const piped = analyze(['-'], object('VirtualService', 'reviews', routeTo('nothing')));
    assert.match(piped.stdout, /\(VirtualService prod\/reviews -:11:9\) Referenced host not found: "nothing"/);
  });

  it('tells only what is asked for', () => {
    const warning = write(
      'warning.yaml',
      object('DestinationRule', 'gone', '  host: gone\n') + object('DestinationRule', 'gone', '  host: gone\n', 'test'),
    );
    assert.equal(analyze([warning]).code, 0);
    assert.equal(analyze(['--failure-threshold', 'warning', warning]).code, 79);
    const errors = analyze(['--output-threshold=Error', '--failure-threshold=Warning', warning]);
    assert.equal(errors.stdout, '');
    assert.equal(errors.code, 79);
    assert.equal(analyze([warning]).stdout.split('\n').length, 3);
    assert.match(
      analyze(['-n', 'test', warning]).stdout,
      /^Warning \[IST0174\] \(DestinationRule test\/gone [^\n]*\n$/,
    );
    const suppressed = analyze(['-S', 'IST0174=DestinationRule *.test', '-S', 'IST9999=x', warning]);
    assert.match(suppressed.stdout, /^Warning \[IST0174\] \(DestinationRule prod\/gone [^\n]*\n$/);
    assert.match(suppressed.stderr, /no message has the code IST9999/);
  });

  it('takes objects without namespace for those of -n', () => {
    const bare =
      'apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: gone}\nspec: {host: gone}\n';
    const { stdout } = analyze(['-n', 'team', write('bare.yaml', bare)]);
    assert.match(stdout, /\(DestinationRule team\/gone bare\.yaml:4:8\)/);
  });

  it('tells documents that are none', () => {
    const broken = write('broken.yaml', 'a: [\n');
    const { code, stderr } = analyze([broken]);
    assert.equal(code, 65);
    assert.match(stderr, /^heddle: error: broken\.yaml:/);
    assert.equal(analyze(['--ignore-unknown', broken]).code, 0);
    assert.equal(analyze([broken, reviews]).code, 79);
  });

  it('analyses a mesh that does not run, and files as if they were applied to it', () => {
    const workload = '  reviews: { command: node reviews.ts, ports: [{ port: 9080 }] }\n';
    write('mesh/heddle.yaml', `name: mesh\nnamespace: prod\nworkloads:\n${workload}`);
    write('mesh/own.yaml', object('VirtualService', 'reviews', routeTo('reviews')));
    write(
      'mesh/.heddle/generated/objects.yaml',
      service('reviews') + object('DestinationRule', 'gone', '  host: gone\n'),
    );
    // What was made for an earlier run counts no more.
    const resting = analyze(['--dir', 'mesh']);
    assert.equal(resting.stdout, '');
    assert.equal(resting.code, 0);
    const applied = analyze([reviews, '--dir', 'mesh']);
    assert.equal(applied.stdout, LINE);
    assert.equal(applied.code, 79);
  });

  it('knows what heddle.yaml stands for before it was started', () => {
    const workload =
      '  reviews:\n    command: node reviews.ts\n    version: v1\n    ports: [{ port: 9080, protocol: http }]\n';
    write('resting/heddle.yaml', `name: mesh\nnamespace: prod\nworkloads:\n${workload}`);
    const rule =
      '  host: reviews\n  subsets:\n  - {name: v1, labels: {version: v1}}\n  - {name: v2, labels: {version: v2}}\n';
    write(
      'resting/own.yaml',
      object('VirtualService', 'reviews', routeTo('reviews')) + object('DestinationRule', 'reviews', rule),
    );
    const { stdout } = analyze(['resting']);
    assert.match(
      stdout,
      /^Error \[IST0173\] \(DestinationRule prod\/reviews resting\/own\.yaml:22:16\) The Subset v2 [^\n]*\n$/,
    );
  });

  it('colours where that is asked for', () => {
    assert.match(analyze(['--color', reviews]).stdout, /^\x1b\[1;31mError\x1b\[0m \[IST0101\]/);
    assert.equal(analyze(['--color=false', '--use-kube=false', reviews]).stdout, LINE);
  });

  it('lists what it looks for', () => {
    const { code, stdout } = analyze(['--list-analyzers']);
    assert.match(stdout, /^\* virtualservice\.DestinationHostAnalyzer:\n.*\(IST0101, IST0112\)$/m);
    assert.equal(code, 0);
  });

  it('refuses what makes no sense', () => {
    const cases: readonly (readonly [string[], number, RegExp])[] = [
      [['missing.yaml'], 1, /^heddle: missing\.yaml: there is no such file or directory\n$/],
      [[], 1, /^heddle: no mesh runs here/],
      [['-o', 'xml', reviews], 2, /xml/],
      [['--output-threshold', 'Fatal', reviews], 2, /Fatal: expected Info, Warning, Error/],
      [['-S', 'IST0101', reviews], 2, /expected CODE=OBJECT/],
      [['--also', 'IST9999', reviews], 2, /IST9999/],
    ];
    for (const [args, expected, words] of cases) {
      const { code, stdout, stderr } = analyze(args);
      assert.equal(stdout, '', args.join(' '));
      assert.match(stderr, words);
      assert.equal(code, expected, args.join(' '));
    }
  });
});
