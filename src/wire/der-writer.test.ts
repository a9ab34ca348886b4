// Tests the DER writer against the reader and against octets from the standard.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DER_OCTET_STRING, DER_SEQUENCE, derChildren, derTimeMs, oidText, readDer } from './der.ts';
import {
  derBits,
  derContextText,
  derNamedBits,
  derOctets,
  derOid,
  derSequence,
  derSmallInteger,
  derTime,
} from './der-writer.ts';

test('object identifiers', () => {
  assert.equal(derOid('1.2.840.113549.1.9.14').toString('hex'), '06092a864886f70d01090e');
  assert.equal(derOid('2.5.29.17').toString('hex'), '0603551d11');
  const bytes = derOid('1.2.840.10045.4.3.2');
  assert.equal(oidText(bytes, 2, bytes.length), '1.2.840.10045.4.3.2');
});

test('lengths are as short as can be', () => {
  for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536, 70_000]) {
    const bytes = derOctets(Buffer.alloc(length, 7));
    const element = readDer(bytes, 0, bytes.length);
    assert.deepEqual([element?.tag, element?.end], [DER_OCTET_STRING, bytes.length]);
    assert.equal((element?.end ?? 0) - (element?.start ?? 0), length);
  }
});

test('elements within elements', () => {
  const bytes = derSequence(derSmallInteger(0), derBits(Buffer.from([1, 2])), derContextText(6, 'spiffe://a'));
  const outer = readDer(bytes, 0, bytes.length);
  assert.equal(outer?.tag, DER_SEQUENCE);
  const children = derChildren(bytes, outer as NonNullable<typeof outer>) ?? [];
  assert.deepEqual(
    children.map(({ tag }) => tag),
    [0x02, 0x03, 0x86],
  );
});

test('times of both forms', () => {
  assert.equal(derTime(Date.UTC(2026, 10, 22, 1, 2, 3)).toString('latin1', 2), '261122010203Z');
  assert.equal(derTime(Date.UTC(2050, 0, 1)).toString('latin1', 2), '20500101000000Z');
  for (const ms of [0, Date.UTC(1999, 11, 31, 23, 59, 59), Date.UTC(2049, 11, 31), Date.UTC(2123, 1, 3)]) {
    const bytes = derTime(ms);
    const element = readDer(bytes, 0, bytes.length);
    assert.equal(element === null ? null : derTimeMs(bytes, element), ms);
  }
});

test('named bits end with their last one', () => {
  // digitalSignature and keyEncipherment; keyCertSign and cRLSign; none.
  assert.equal(derNamedBits(0b1010_0000).toString('hex'), '030205a0');
  assert.equal(derNamedBits(0b0000_0110).toString('hex'), '03020106');
  assert.equal(derNamedBits(0).toString('hex'), '030100');
});
