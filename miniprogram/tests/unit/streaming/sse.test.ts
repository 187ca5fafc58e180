import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventStream } from '../../../src/streaming/sse';
import type { Bytes } from '../../../src/streaming/utf8';
import { CORPUS } from './corpus';
import { bytesOfEvents, eventsOf } from './transcript';

const events = eventsOf(CORPUS.slice(0, 5).map((text) => ({ text })));
const stream = Uint8Array.from([
  ...new TextEncoder().encode(': queue 3\n\n: ping\n\n'),
  ...bytesOfEvents(events),
]);

function told(pieces: Bytes[]): { events: [string, string][]; comments: string[] } {
  const heard = { events: [] as [string, string][], comments: [] as string[] };
  const reader = new EventStream({
    event: (id, data) => heard.events.push([id, data]),
    comment: (text) => heard.comments.push(text),
  });
  pieces.forEach((piece) => reader.feed(piece));
  return heard;
}

const whole = { events: events.map(({ id, data }) => [id, data] as [string, string]), comments: ['queue 3', 'ping'] };

describe('a stream of events', () => {
  it('is told alike when it is cut at any byte, in both kinds of buffers', () => {
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const [one, two] = [stream.slice(0, cut), stream.slice(cut)];
      expect(told([one, two])).toEqual(whole);
      expect(told([one.buffer, two.buffer])).toEqual(whole);
    }
  });

  it('is told alike byte by byte, and whole', () => {
    expect(told([...stream].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
    expect(told([stream])).toEqual(whole);
  });

  it('is told alike in any pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }), (lengths) => {
        const pieces: Uint8Array[] = [];
        for (let at = 0, turn = 0; at < stream.length; turn += 1) {
          const length = lengths[turn % lengths.length] ?? 1;
          pieces.push(stream.slice(at, at + length));
          at += length;
        }
        expect(told(pieces)).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });

  it('never tells an event that the stream ended within', () => {
    expect(told([stream.slice(0, stream.length - 1)]).events).toEqual(whole.events.slice(0, -1));
  });
});
