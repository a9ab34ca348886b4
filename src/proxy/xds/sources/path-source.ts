// Resources from a file, which is read again when another one is moved into its place.
import type { DirectoryWatcher } from '../../../net/file-watch.ts';
import { PollSource, type PollParts, type Poller, type PollResult } from '../../../xds/client/poll.ts';
import type { XdsSource } from '../../../xds/client/types.ts';
import type { JudgeUnknown } from '../judge-unknown.ts';
import { readDiscoveryFile } from './discovery-file.ts';
import { WatchedFile } from './watched-file.ts';

export type PathParts = PollParts & { readonly watcher: DirectoryWatcher; readonly judgeUnknown: JudgeUnknown };

export function pathSource(parts: PathParts, path: string, watchedDirectory: string): XdsSource {
  return new PollSource(parts, (refresh) => new FilePoller(parts, path, watchedDirectory, refresh));
}

/** Source of the texts: Envoy FilesystemSubscriptionImpl. */
class FilePoller implements Poller {
  readonly #path: string;
  readonly #judge: JudgeUnknown;
  readonly #file: WatchedFile;

  constructor(parts: PathParts, path: string, watchedDirectory: string, refresh: () => void) {
    this.#path = path;
    this.#judge = parts.judgeUnknown;
    this.#file = new WatchedFile(parts, path, watchedDirectory, refresh);
    if (this.#file.error !== null) parts.log('warning', this.#file.error);
  }

  fetch(_type: string, _request: unknown, onResult: (result: PollResult) => void): () => void {
    this.#file.noteReading();
    const message = readDiscoveryFile(this.#path, this.#judge);
    this.#file.isGood = !('error' in message);
    if ('error' in message) {
      const text = `Filesystem config update failure: in ${this.#path}, ${message.error}`;
      onResult({ kind: 'failed', text, isFinal: true });
    } else onResult({ kind: 'response', message });
    return nothing;
  }

  nextMs(): null {
    return null;
  }

  readonly absentText = (name: string): string => `${this.#path} has no resource '${name}'`;

  refusedText(_type: string, reason: string): string {
    return `Filesystem config update rejected: ${reason}`;
  }

  timedOutText(): string {
    return `Filesystem config: initial fetch timed out for ${this.#path}`;
  }

  close(): void {
    this.#file.close();
  }
}

function nothing(): void {}
