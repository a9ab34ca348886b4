// Answers on port 9080 with its name and who called, as its proxy tells it: `app.ts NAME`.
import { createServer } from 'node:http';

const name = process.argv[2] ?? 'app';
createServer((request, response) => {
  const caller = /URI=([^;]*)/.exec(String(request.headers['x-forwarded-client-cert'] ?? ''))?.[1] ?? 'nobody known';
  response.end(`${name} answers ${caller}\n`);
}).listen(9080);
