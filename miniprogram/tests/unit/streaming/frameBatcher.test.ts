import { describe, expect, it } from 'vitest';
import { FrameBatcher } from '../../../src/streaming/frameBatcher';
import type { Batch } from '../../../src/streaming/frameBatcher';

function batcher() {
  const drawn: Batch[] = [];
  let frame: (() => void) | null = null;
  const batches = new FrameBatcher(
    (batch) => drawn.push(batch),
    (callback) => {
      frame = callback;
      return () => {
        frame = null;
      };
    },
  );
  return { drawn, batches, nextFrame: () => frame?.(), waits: () => frame !== null };
}

describe('the batcher', () => {
  it('draws once a frame what came within it', () => {
    const { drawn, batches, nextFrame } = batcher();
    batches.add({ text: '鹊' });
    batches.add({ text: '桥', reasoning: '想' });
    expect(drawn).toEqual([]);
    nextFrame();
    batches.add({ text: '相会' });
    nextFrame();
    expect(drawn).toEqual([
      { text: '鹊桥', reasoning: '想' },
      { text: '相会', reasoning: '' },
    ]);
  });

  it('draws the rest at once when it is flushed, and asks for no frame without text', () => {
    const { drawn, batches, waits } = batcher();
    batches.add({});
    expect(waits()).toBe(false);
    batches.add({ text: '完' });
    batches.flush();
    expect(drawn).toEqual([{ text: '完', reasoning: '' }]);
    expect(waits()).toBe(false);
  });

  it('forgets what was taken back', () => {
    const { drawn, batches, waits } = batcher();
    batches.add({ text: '不该说的' });
    batches.discard();
    batches.flush();
    expect([drawn, waits()]).toEqual([[], false]);
  });
});
