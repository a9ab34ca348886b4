// What is in files that formats name (envoy.formatter.file_content), read again whenever they change.
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { DirectoryListener, DirectoryWatcher } from '../../net/file-watch.ts';
import { type Command, type CommandUse, type Operator, text, truncated } from './operator.ts';

/** Changed under its readers. */
export type FileContent = { text: string };

/** More than any configuration names; each is watched for as long as the process lives. */
const MOST_FILES = 1024;
/** A log line that is longer helps nobody. */
const MOST_BYTES = 1 << 20;

/** The files of a thread: who names the same one twice is served by one watch. */
export class FileContents {
  readonly #watcher: DirectoryWatcher | null;
  readonly #files = new Map<string, FileContent>();

  /** Without a watcher each file stays as it was read first. */
  constructor(watcher: DirectoryWatcher | null) {
    this.#watcher = watcher;
  }

  /** Its content; a text says why it cannot be had. `directory`: '' watches the file, else what moves in there. */
  open(path: string, directory: string): FileContent | string {
    const key = `${path}\0${directory}`;
    const known = this.#files.get(key);
    if (known !== undefined) return known;
    if (this.#files.size === MOST_FILES) return `more than ${MOST_FILES} files are named by formats`;
    const first = read(path);
    if (first === null) return `Invalid path: ${path}`;
    const file = { text: first };
    const refusal = this.#watch(path, directory, file);
    if (refusal !== null) return refusal;
    this.#files.set(key, file);
    return file;
  }

  /** What cannot be read any more stays as it was. */
  #watch(path: string, directory: string, file: FileContent): string | null {
    const again = (): void => {
      file.text = read(path) ?? file.text;
    };
    const ofFile = (name: string): void => {
      if (name === basename(path)) again();
    };
    const places: readonly (readonly [string, DirectoryListener])[] = [
      [dirname(path), { onMoved: ofFile, onChanged: ofFile }],
      ...(directory === '' ? [] : [[directory, { onMoved: again, onChanged() {} }] as const]),
    ];
    for (const [place, listener] of places) {
      const watch = this.#watcher?.watch(place, listener);
      if (typeof watch === 'string') return watch;
    }
    return null;
  }
}

/** Bytes; null when it cannot be read or is too long. */
function read(path: string): string | null {
  try {
    const bytes = readFileSync(path);
    return bytes.length > MOST_BYTES ? null : bytes.toString('latin1');
  } catch {
    return null;
  }
}

const nothingWatched = new FileContents(null);

export const FILE_CONTENT: Command = {
  params: 'optional',
  length: true,
  make(use: CommandUse): Operator | null {
    const [path = '', directory = '', ...rest] = use.param.split(':').filter((part) => part !== '');
    if (path === '' || rest.length > 0) {
      use.reject(`FILE_CONTENT: expected format 'path' or 'path:watch_directory', got '${use.param}'`);
      return null;
    }
    const file = (use.environment.fileContents ?? nothingWatched).open(path, directory);
    if (typeof file !== 'string')
      return truncated(
        text(() => file.text),
        use.maxLength,
      );
    use.reject(file);
    return null;
  },
};

/** The command of envoy.formatter.generic_secret, which names its secrets: bytes, '' for none. */
export function secretCommand(secrets: ReadonlyMap<string, string>): Command {
  return {
    params: 'optional',
    length: true,
    make(use) {
      const value = secrets.get(use.param);
      if (value !== undefined)
        return truncated(
          text(() => (value === '' ? null : value)),
          use.maxLength,
        );
      use.reject(`envoy.formatter.generic_secret: secret '${use.param}' is not configured in secret_configs`);
      return null;
    },
  };
}
