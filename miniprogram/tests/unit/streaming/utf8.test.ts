import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8Bytes, Utf8Decoder } from '../../../src/streaming/utf8';
import type { Bytes } from '../../../src/streaming/utf8';
import { BROKEN, CORPUS } from './corpus';

const kinds: Record<string, (bytes: Uint8Array) => Bytes> = {
  'an ArrayBuffer, as on devices': (bytes) => bytes.slice().buffer,
  'a Uint8Array, as in the tools': (bytes) => bytes.slice(),
  'a view into a larger buffer': (bytes) => {
    const larger = new Uint8Array(bytes.length + 5).fill(0xe9);
    larger.set(bytes, 3);
    return larger.subarray(3, 3 + bytes.length);
  },
};

function decoded(pieces: Uint8Array[], kind: (bytes: Uint8Array) => Bytes): string {
  const decoder = new Utf8Decoder();
  return pieces.map((piece) => decoder.decode(kind(piece))).join('') + decoder.end();
}

function platform(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function pieces(bytes: Uint8Array, cuts: number[]): Uint8Array[] {
  const places = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

describe.each(Object.entries(kinds))('the decoder, given %s', (_name, kind) => {
  const corpus = [...CORPUS.map((text) => new TextEncoder().encode(text)), ...BROKEN.map((bytes) => Uint8Array.from(bytes))];

  it('decodes the corpus as the platform does, cut at every byte', () => {
    for (const bytes of corpus) {
      for (let cut = 0; cut <= bytes.length; cut += 1) {
        expect(decoded(pieces(bytes, [cut]), kind)).toBe(platform(bytes));
      }
    }
  });

  it('decodes the corpus byte by byte', () => {
    for (const bytes of corpus) {
      expect(decoded([...bytes].map((byte) => Uint8Array.of(byte)), kind)).toBe(platform(bytes));
    }
  });

  it('decodes any text, and any bytes, cut anywhere', () => {
    const cuts = fc.array(fc.nat(200), { maxLength: 12 });
    const text = fc.string({ unit: 'binary', maxLength: 60 }).map((value) => new TextEncoder().encode(value));
    const noise = fc.uint8Array({ maxLength: 60 });
    fc.assert(
      fc.property(fc.oneof(text, noise), cuts, (bytes, places) => {
        const within = places.map((place) => Math.min(place, bytes.length));
        expect(decoded(pieces(bytes, within), kind)).toBe(platform(bytes));
      }),
      { numRuns: 500 },
    );
  });
});

describe('the decoder', () => {
  it('tells no part of a character before the whole of it', () => {
    const decoder = new Utf8Decoder();
    const bytes = new TextEncoder().encode('鹊');
    expect([...bytes].map((byte) => decoder.decode(Uint8Array.of(byte)))).toEqual(['', '', '鹊']);
  });

  it('takes a chunk of many characters', () => {
    const text = '桥'.repeat(100_000);
    expect(new Utf8Decoder().decode(new TextEncoder().encode(text))).toBe(text);
  });
});

describe('utf8Bytes', () => {
  it('encodes as the platform does, halves of surrogates too', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(utf8Bytes(text)).toEqual(new TextEncoder().encode(text));
      }),
    );
    expect(utf8Bytes('a\ud83d')).toEqual(new TextEncoder().encode('a\ud83d'));
    expect(utf8Bytes('\ude00b')).toEqual(new TextEncoder().encode('\ude00b'));
  });
});
