// The version of this package.
import { readFileSync } from 'node:fs';

/** Version of the package; two layouts: src/cli/ in a clone, dist/ in the published package. */
export function packageVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const manifest = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as {
        name?: string;
        version?: string;
      };
      if (manifest.name === 'heddle' && manifest.version !== undefined) return manifest.version;
    } catch {
      // The other layout.
    }
  }
  return 'unknown';
}
