import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { RequestQueue } from '../../../src/streaming/requestQueue';
import type { Release } from '../../../src/streaming/requestQueue';

function entered(queue: RequestQueue, names: string[]) {
  const running: string[] = [];
  const releases = new Map<string, Release>();
  const positions = new Map<string, number[]>();
  const cancels = new Map<string, () => boolean>();
  for (const name of names) {
    positions.set(name, []);
    const cancel = queue.enter(
      (release) => {
        running.push(name);
        releases.set(name, release);
      },
      (position) => positions.get(name)?.push(position),
    );
    cancels.set(name, cancel);
  }
  return { running, releases, positions, cancels };
}

describe('the queue', () => {
  it('runs three at once, and takes the next when one is done', () => {
    const { running, releases, positions } = entered(new RequestQueue(), ['a', 'b', 'c', 'd', 'e']);
    expect(running).toEqual(['a', 'b', 'c']);
    expect(positions.get('e')).toEqual([2]);
    releases.get('b')?.();
    expect(running).toEqual(['a', 'b', 'c', 'd']);
    expect(positions.get('e')).toEqual([2, 1]);
    releases.get('a')?.();
    releases.get('c')?.();
    expect(running).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('gives a place back once, however often it is released', () => {
    const { running, releases } = entered(new RequestQueue(1), ['a', 'b', 'c']);
    releases.get('a')?.();
    releases.get('a')?.();
    expect(running).toEqual(['a', 'b']);
  });

  it('takes a waiting one back, and moves up those behind it', () => {
    const { running, releases, positions, cancels } = entered(new RequestQueue(1), ['a', 'b', 'c']);
    expect(cancels.get('b')?.()).toBe(true);
    expect(cancels.get('b')?.()).toBe(false);
    expect(positions.get('c')).toEqual([2, 1]);
    releases.get('a')?.();
    expect(running).toEqual(['a', 'c']);
  });

  it('does not take back one that runs', () => {
    const { cancels } = entered(new RequestQueue(1), ['a']);
    expect(cancels.get('a')?.()).toBe(false);
  });

  it('takes the next although one failed to begin', () => {
    const queue = new RequestQueue(1);
    expect(() =>
      queue.enter(() => {
        throw new Error('no');
      }),
    ).toThrow('no');
    const run = vi.fn();
    queue.enter(run);
    expect(run).toHaveBeenCalledOnce();
  });

  it('runs each that was not taken back once, in order, and never too many', () => {
    const step = fc.oneof(fc.constant('enter'), fc.constant('release'), fc.constant('cancel'));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.nat(), (steps, seed) => {
        const queue = new RequestQueue(3);
        const begun: number[] = [];
        const live: Release[] = [];
        const waiting = new Map<number, () => boolean>();
        const cancelled = new Set<number>();
        let entered = 0;
        for (const action of steps) {
          if (action === 'enter') {
            const number = entered++;
            waiting.set(
              number,
              queue.enter((release) => {
                begun.push(number);
                live.push(release);
              }),
            );
          } else if (action === 'release') {
            live.splice(seed % Math.max(1, live.length), 1)[0]?.();
          } else {
            const number = seed % Math.max(1, entered);
            if (waiting.get(number)?.()) cancelled.add(number);
          }
          expect(live.length).toBeLessThanOrEqual(3);
        }
        while (live.length) live.shift()?.();
        const expected = [...Array(entered).keys()].filter((number) => !cancelled.has(number));
        expect(begun).toEqual(expected);
      }),
    );
  });
});
