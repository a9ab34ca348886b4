// Loaded into each test file: ends its process a while after its last test, whatever was left open by one that failed.
import { after } from 'node:test';

/** Reports have left by then. (`--test-force-exit` ends a file at once, and now and then loses tests with that.) */
const GRACE_MS = 3000;

if (process.env['NODE_TEST_CONTEXT'] !== undefined) {
  after(() => {
    // What is left open keeps the process; this timer alone does not.
    setTimeout(() => process.exit(), GRACE_MS).unref();
  });
}
