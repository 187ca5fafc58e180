/** How many questions an amount pays for. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Model, Usage } from '../../../src/api/shapes';
import { questionMicros, questionsOf } from '../../../src/wallet/estimate';

function model(input: number, output: number): Model {
  const price = { input_micros_per_million: input, output_micros_per_million: output };
  return { id: 'simulated', context_tokens: 8192, max_output_tokens: 1024, price };
}

function usage(turns: number, charged_micros: number): Usage {
  const totals = { turns, input_tokens: 0, output_tokens: 0, charged_micros, charged: '' };
  return { start: '2026-11-01', end: '2026-11-27', lines: [], totals };
}

const PRICED = model(1_000_000, 2_000_000);

describe('a usual question', () => {
  it('costs what the model asks for its tokens and those of its answer', () => {
    // 400 tokens at 1 micro-yuan each, and 500 at 2.
    expect(questionMicros(PRICED)).toBe(1_400);
  });

  it('costs nobody knows what without a price', () => {
    expect(questionMicros({ ...PRICED, price: null })).toBeNull();
  });
});

describe('an amount', () => {
  it('pays for whole questions', () => {
    expect(questionsOf(1_399, null, PRICED)).toBe(0);
    expect(questionsOf(1_400 * 7 + 1, null, PRICED)).toBe(7);
  });

  it('is counted by what this person’s questions cost, once there are a few', () => {
    expect(questionsOf(100_000, usage(4, 40_000), PRICED)).toBe(Math.floor(100_000 / 1_400));
    expect(questionsOf(100_000, usage(5, 50_000), PRICED)).toBe(10);
    expect(questionsOf(100_000, usage(5, 50_000), null)).toBe(10);
  });

  it('is counted by the price where questions cost nothing lately', () => {
    expect(questionsOf(14_000, usage(50, 0), PRICED)).toBe(10);
  });

  it('pays for nobody knows how many where nothing says what one costs', () => {
    expect(questionsOf(1_000_000, null, null)).toBeNull();
    expect(questionsOf(1_000_000, null, { ...PRICED, price: null })).toBeNull();
    expect(questionsOf(1_000_000, null, model(0, 0))).toBeNull();
  });

  it('pays for no question less than one that is smaller, and never for less than none', () => {
    const amount = fc.integer({ min: -1_000_000, max: 1_000_000_000 });
    fc.assert(
      fc.property(amount, amount, fc.integer({ min: 1, max: 100_000_000 }), (one, other, price) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)].map((each) => questionsOf(each, null, model(price, price)) ?? -1);
        expect(less).toBeGreaterThanOrEqual(0);
        expect(less).toBeLessThanOrEqual(more ?? -1);
      }),
    );
  });
});
