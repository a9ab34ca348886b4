// Asks a real API server about all documents, and keeps what it says for tests that have none.
// bin/heddle-node test/control/schema/record-verdicts.ts
import { writeFileSync } from 'node:fs';
import { brotliCompressSync } from 'node:zlib';
import { ApiServer } from './api-server.ts';
import { askAll, VERDICTS_FILE } from './verdicts.ts';

const PER_SEED = 8;

const server = new ApiServer();
try {
  await server.start();
  const verdicts = await askAll(server, PER_SEED, 1);
  const bytes = brotliCompressSync(Buffer.from(JSON.stringify(verdicts)));
  writeFileSync(VERDICTS_FILE, bytes);
  const refused = verdicts.custom.filter(({ refusal }) => refusal !== null).length;
  console.log(
    `${verdicts.custom.length} documents, ${refused} refused; ${verdicts.core.length} core; ${bytes.length} bytes`,
  );
} finally {
  await server.stop();
}
