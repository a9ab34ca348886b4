// Heddle's entry: argv → one verb, loaded only when it is asked for.
import { run } from './cli/run.ts';

await run(process.argv.slice(2));
