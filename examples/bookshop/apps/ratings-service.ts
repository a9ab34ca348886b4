// The gRPC service bookshop.Ratings, as ratings.proto has it: messages to bytes and back, and the definition.

export type RatingsRequest = { readonly isbn: string };
export type Rating = { readonly reviewer: string; readonly stars: number };
export type RatingsReply = { readonly ratings: readonly Rating[] };

export const RATINGS_SERVICE = {
  getRatings: {
    path: '/bookshop.Ratings/GetRatings',
    requestStream: false,
    responseStream: false,
    requestSerialize: (request: RatingsRequest) => text(1, request.isbn),
    requestDeserialize: (bytes: Buffer): RatingsRequest => ({ isbn: textOf(fieldsOf(bytes).get(1)?.[0]) }),
    responseSerialize: ({ ratings }: RatingsReply) =>
      Buffer.concat(ratings.map((one) => field(1, Buffer.concat([text(1, one.reviewer), number(2, one.stars)])))),
    responseDeserialize: (bytes: Buffer): RatingsReply => ({
      ratings: (fieldsOf(bytes).get(1) ?? []).map((one) => {
        const fields = fieldsOf(one as Buffer);
        return { reviewer: textOf(fields.get(1)?.[0]), stars: Number(fields.get(2)?.[0] ?? 0) };
      }),
    }),
  },
} as const;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

const field = (tag: number, bytes: Buffer): Buffer => Buffer.concat([varint(tag * 8 + 2), varint(bytes.length), bytes]);
const text = (tag: number, value: string): Buffer => field(tag, Buffer.from(value));
const number = (tag: number, value: number): Buffer => Buffer.concat([varint(tag * 8), varint(value)]);
const textOf = (value: Buffer | number | undefined): string => (value instanceof Buffer ? value.toString() : '');

/** The values of a message by their numbers: bytes of texts and messages, numbers of varints. */
function fieldsOf(bytes: Buffer): Map<number, (Buffer | number)[]> {
  const fields = new Map<number, (Buffer | number)[]>();
  let at = 0;
  const readVarint = (): number => {
    let value = 0;
    for (let factor = 1; at < bytes.length; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
    throw new Error('a message ends within a number');
  };
  while (at < bytes.length) {
    const key = readVarint();
    const isBytes = key % 8 === 2;
    if (!isBytes && key % 8 !== 0) throw new Error(`fields of wire type ${key % 8} are not known here`);
    let value: Buffer | number = readVarint();
    if (isBytes) {
      if (at + value > bytes.length) throw new Error('a message ends within a field');
      value = bytes.subarray(at, (at += value));
    }
    const tag = Math.floor(key / 8);
    fields.set(tag, [...(fields.get(tag) ?? []), value]);
  }
  return fields;
}
