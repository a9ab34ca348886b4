// Asks the gRPC service ratings.
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { RATINGS_SERVICE, type Rating, type RatingsReply, type RatingsRequest } from './ratings-service.ts';

const DEADLINE_MS = 1000;

let client: Client | null = null;

/** Rejects with an error of gRPC, which has `code` and `details`. */
export function getRatings(isbn: string, headers: Readonly<Record<string, string>>): Promise<readonly Rating[]> {
  client ??= new Client(process.env.RATINGS_ADDRESS ?? 'ratings:9090', credentials.createInsecure());
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const { path, requestSerialize, responseDeserialize } = RATINGS_SERVICE.getRatings;
  const deadline = Date.now() + DEADLINE_MS;
  return new Promise((resolve, reject) => {
    client?.makeUnaryRequest<RatingsRequest, RatingsReply>(
      path,
      requestSerialize,
      responseDeserialize,
      { isbn },
      metadata,
      { deadline },
      (error, reply) => (error === null ? resolve(reply?.ratings ?? []) : reject(error)),
    );
  });
}
