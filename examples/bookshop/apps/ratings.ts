// How many stars reviewers gave, over gRPC.
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall, status } from '@grpc/grpc-js';
import { RATINGS_SERVICE, type Rating, type RatingsReply, type RatingsRequest } from './ratings-service.ts';
import { endWith } from './serve.ts';

const RATINGS: Readonly<Record<string, readonly Rating[]>> = {
  '9780141439754': [
    { reviewer: 'Dolly', stars: 5 },
    { reviewer: 'Godfrey', stars: 4 },
  ],
};

function getRatings(call: ServerUnaryCall<RatingsRequest, RatingsReply>, done: sendUnaryData<RatingsReply>): void {
  const ratings = RATINGS[call.request.isbn];
  if (ratings === undefined) done({ code: status.NOT_FOUND, details: `no book ${call.request.isbn}` });
  else done(null, { ratings });
}

const server = new Server();
server.addService(RATINGS_SERVICE, { getRatings });
const address = `${process.env.HOST ?? '127.0.0.1'}:${process.env.PORT ?? 9090}`;
server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) {
    console.error(`ratings cannot listen on ${address}: ${error.message}`);
    process.exit(1);
  }
  console.log(`ratings listens on port ${port}`);
});
endWith(() => server.tryShutdown(() => process.exit(0)));
