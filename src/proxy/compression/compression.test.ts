// Bodies through compressors and back, in pieces of all sizes, with handles that are used again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  brotliCompressSync,
  brotliDecompressSync,
  gunzipSync,
  gzipSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib';
import { BrotliDecompressorPool } from './brotli-decompressor.ts';
import { CompressorPool } from './compressor.ts';
import type { DecompressionError, DecompressorPool } from './decompressor.ts';
import { GzipDecompressorPool } from './gzip-decompressor.ts';
import { ZstdDecompressorPool } from './zstd-decompressor.ts';

const GZIP = { level: -1, strategy: 0, windowBits: 12, memoryLevel: 5 };
const compressors: Readonly<Record<string, [CompressorPool, (packed: Buffer) => Buffer]>> = {
  gzip: [CompressorPool.gzip(GZIP), gunzipSync],
  brotli: [
    CompressorPool.brotli({ quality: 3, mode: 0, windowBits: 18, inputBlockBits: 24, disablesLiteralContext: false }),
    brotliDecompressSync,
  ],
  zstd: [CompressorPool.zstd({ level: 3, hasChecksum: false, strategy: 0, dictionary: null }), zstdDecompressSync],
};
const errors: DecompressionError[] = [];
const failed = (error: DecompressionError): void => void errors.push(error);
const RATIO = 1032;
const decompressors: Readonly<Record<string, [DecompressorPool, (body: Buffer) => Buffer]>> = {
  gzip: [new GzipDecompressorPool({ windowBits: 15, chunkBytes: 4096, maxInflateRatio: RATIO }, failed), gzipSync],
  brotli: [new BrotliDecompressorPool(4096, failed), (body) => brotliCompressSync(body)],
  zstd: [new ZstdDecompressorPool({ dictionaries: [], chunkBytes: 131_072 }, failed), (body) => zstdCompressSync(body)],
};
/** Text that packs to about a third, so that no limit of bombs is met. */
const body = Buffer.from(Array.from({ length: 9000 }, (_, i) => `line ${(i * 7919) % 10_007}\n`).join(''));

for (const [kind, [pool, unpack]] of Object.entries(compressors)) {
  for (const pieceBytes of [7, 1000, 50_000, body.length]) {
    test(`${kind} packs pieces of ${pieceBytes} bytes`, () => {
      const text = body.subarray(0, Math.min(body.length, pieceBytes * 500));
      for (let round = 0; round < 3; round++) {
        const compressor = pool.take();
        const parts: Buffer[] = [];
        for (let at = 0; at < text.length; at += pieceBytes) {
          parts.push(Buffer.from(compressor.write(text, at, Math.min(text.length, at + pieceBytes))));
          assert.ok((parts.at(-1)?.length ?? 0) > 0, 'what came until now can be read');
        }
        assert.equal(compressor.write(text, 0, 0).length, 0);
        parts.push(Buffer.from(compressor.finish(text, 0, 0)));
        assert.deepEqual(unpack(Buffer.concat(parts)), text);
      }
    });
  }

  test(`${kind} forgets a body that is dropped`, () => {
    const dropped = pool.take();
    dropped.write(body, 0, 1000);
    dropped.drop();
    const compressor = pool.take();
    assert.deepEqual(unpack(Buffer.from(compressor.finish(body, 0, 100))), body.subarray(0, 100));
  });
}

for (const [kind, [pool, pack]] of Object.entries(decompressors)) {
  const packed = pack(body);
  // A frame of zstd unfolds by blocks: a piece that ends one may look like a bomb.
  for (const pieceBytes of kind === 'zstd' ? [5000, packed.length] : [1, 100, 5000, packed.length]) {
    test(`${kind} reads pieces of ${pieceBytes} bytes`, () => {
      errors.length = 0;
      for (let round = 0; round < 2; round++) {
        const decompressor = pool.take();
        const parts: Buffer[] = [];
        for (let at = 0; at < packed.length; at += pieceBytes) {
          parts.push(Buffer.from(decompressor.read(packed, at, Math.min(packed.length, at + pieceBytes))));
        }
        decompressor.drop();
        assert.deepEqual(Buffer.concat(parts), body);
      }
      assert.deepEqual(errors, []);
    });
  }

  test(`${kind} counts garbage and reads the next body`, () => {
    errors.length = 0;
    const bad = pool.take();
    assert.equal(bad.read(Buffer.from('no such thing'), 0, 13).length, 0);
    assert.equal(bad.read(Buffer.from('at all'), 0, 6).length, 0);
    bad.drop();
    assert.equal(errors.length, 2);
    const good = pool.take();
    assert.deepEqual(Buffer.from(good.read(packed, 0, packed.length)), body);
    good.drop();
  });

  test(`${kind} stops at a bomb`, () => {
    errors.length = 0;
    const bomb = pack(Buffer.alloc(50_000_000));
    const decompressor = pool.take();
    let bytes = 0;
    for (let at = 0; at < bomb.length; at += 1000) {
      bytes += decompressor.read(bomb, at, Math.min(bomb.length, at + 1000)).length;
    }
    decompressor.drop();
    assert.ok(bytes <= bomb.length * RATIO + 200_000, `${bytes} bytes of ${bomb.length}`);
    if (kind !== 'gzip') assert.ok(errors.length > 0);
  });
}

test('gzip: only the first member, and its checksum counts', () => {
  const [pool] = decompressors['gzip'] as [DecompressorPool, unknown];
  errors.length = 0;
  const twice = Buffer.concat([gzipSync('one'), gzipSync('two')]);
  const first = pool.take();
  assert.equal(first.read(twice, 0, twice.length).toString(), 'one');
  assert.equal(first.read(twice, 0, twice.length).length, 0);
  first.drop();
  assert.deepEqual(errors, []);
  const wrong = gzipSync('body');
  wrong.writeUInt32LE(1, wrong.length - 8);
  const second = pool.take();
  assert.equal(second.read(wrong, 0, wrong.length).toString(), 'body');
  second.drop();
  assert.deepEqual(errors, ['zlib_data_error']);
});
