// Which files of tests may share a process: starting one and loading half of the project takes longer than most tests.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Files of one group; more would leave a core without work at the end. */
const MOST_FILES = 12;

/** Rooms that open no sockets and files: their tests see nothing of their process. */
const SHARING = /^src\/(?:base|control|dns|grpc|intercept|lua|proto|proxy|telemetry|up|wire|xds)\//;

/**
 * What concerns a whole process: its environment, signals, threads, memory and descriptors, time that is replaced, and
 * hooks that are those of all its tests. Files with any of it have a process of their own.
 */
const WHOLE_PROCESS = new RegExp(
  [
    String.raw`process\.(?!hrtime|nextTick|version|pid\b|platform|arch|cwd|execPath)`,
    String.raw`\bmock\b|\bglobalThis\b|\bgc\(|\/proc\/`,
    'node:(?:worker_threads|child_process|cluster|v8|vm|inspector|perf_hooks)',
    String.raw`^(?:before|after|beforeEach|afterEach)\(`,
    // Tests begin before such a file is loaded.
    String.raw`^(?:const [^=]+= )?await\b`,
  ].join('|'),
  'm',
);

/** Groups of files, in the order of their first ones; a file that must be alone is a group. */
export function groupFiles(files: readonly string[], read: (file: string) => string): readonly (readonly string[])[] {
  const groups: string[][] = [];
  const open = new Map<string, string[]>();
  for (const file of files) {
    if (!SHARING.test(file) || WHOLE_PROCESS.test(read(file))) {
      groups.push([file]);
      continue;
    }
    // What lies together loads the same.
    const folder = file.split('/').slice(0, -1).slice(0, 3).join('/');
    const group = open.get(folder);
    if (group !== undefined && group.length < MOST_FILES) {
      group.push(file);
      continue;
    }
    const started = [file];
    open.set(folder, started);
    groups.push(started);
  }
  return groups;
}

/** Writes a module for each group of several into a folder; returns what to run. */
export function writeGroups(root: string, files: readonly string[], folder: string): readonly string[] {
  mkdirSync(folder, { recursive: true });
  const groups = groupFiles(files, (file) => readFileSync(join(root, file), 'utf8'));
  return groups.map((group, number) => {
    if (group.length === 1) return group[0] as string;
    const path = join(folder, `group-${number}.test.mjs`);
    // All of them are loaded before the first test begins: what happens after the last one happens once.
    const imports = group.map((file) => `import ${JSON.stringify(pathToFileURL(join(root, file)).href)};\n`);
    writeFileSync(path, imports.join(''));
    return path;
  });
}
