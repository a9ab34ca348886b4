// Bundles the live page (web/) to files that the control plane serves: a page, a script, a style and an icon.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rolldown } from 'rolldown';

const WEB = join(dirname(dirname(import.meta.dirname)), 'web');

/** Names carry a hash of what is in them, so that browsers may keep them for ever. */
export async function buildWeb(target: string): Promise<void> {
  const assets = join(target, 'assets');
  rmSync(target, { recursive: true, force: true });
  mkdirSync(assets, { recursive: true });
  const add = (name: string, type: string, text: string): string => {
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 10);
    writeFileSync(join(assets, `${name}-${hash}.${type}`), text);
    return `${name}-${hash}.${type}`;
  };
  const files: Readonly<Record<string, string>> = {
    script: add('page', 'js', await bundled()),
    style: add('page', 'css', styles()),
    icon: add('icon', 'svg', readFileSync(join(WEB, 'icon.svg'), 'utf8')),
  };
  const page = readFileSync(join(WEB, 'index.html'), 'utf8');
  writeFileSync(
    join(target, 'index.html'),
    page.replace(/\{\{(\w+)\}\}/g, (_all, name: string) => files[name] as string),
  );
}

async function bundled(): Promise<string> {
  const bundle = await rolldown({
    input: join(WEB, 'main.tsx'),
    platform: 'browser',
    cwd: WEB,
    tsconfig: false,
    transform: { target: 'es2022', jsx: { runtime: 'automatic', importSource: 'preact' } },
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(log.message);
    },
  });
  const { output } = await bundle.generate({ format: 'esm', minify: true, codeSplitting: false });
  await bundle.close();
  return output[0].code;
}

/** Those of one folder, in the order of their names; without comments and line ends' blanks. */
function styles(): string {
  const folder = join(WEB, 'style');
  const texts = readdirSync(folder)
    .sort()
    .map((name) => readFileSync(join(folder, name), 'utf8'));
  return texts
    .join('\n')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\s*\n\s*/g, '\n')
    .trim();
}
