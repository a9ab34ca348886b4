// A client of grpc-js that takes its configuration by xDS: a call for each line of its input, and who answered.
import { createInterface } from 'node:readline';
import { Client, credentials } from '@grpc/grpc-js';
import { register } from '@grpc/grpc-js-xds';

register();
const client = new Client(process.argv[2] ?? '', credentials.createInsecure());
const identity = (bytes: Buffer): Buffer => bytes;
const METHOD = '/grpc.testing.TestService/EmptyCall';

createInterface({ input: process.stdin }).on('line', () => {
  const options = { deadline: Date.now() + 10_000 };
  const call = client.makeUnaryRequest(METHOD, identity, identity, Buffer.alloc(0), options, (error) => {
    console.log(error === null ? `ok ${call.getPeer()}` : `failed ${error.code} ${error.details}`);
  });
});
