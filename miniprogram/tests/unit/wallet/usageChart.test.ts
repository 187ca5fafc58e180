/** Usage as bars by day and shares by model. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Usage, UsageLine } from '../../../src/api/shapes';
import { barsOf, sharesOf } from '../../../src/wallet/usageChart';

function line(day: string, model: string, charged_micros: number, turns = 1): UsageLine {
  return { day, model, turns, input_tokens: 10, output_tokens: 20, charged_micros, charged: '' };
}

function usage(lines: UsageLine[], start = '2026-02-27', end = '2026-03-02'): Usage {
  return { start, end, lines, totals: { turns: 0, input_tokens: 0, output_tokens: 0, charged_micros: 0, charged: '' } };
}

const USED = usage([
  line('2026-02-28', 'small', 30_000, 3),
  line('2026-02-28', 'large', 70_000, 2),
  line('2026-03-02', 'small', 100, 1),
]);

describe('the bars', () => {
  it('are one for each day, the empty ones too, across the end of a month', () => {
    expect(barsOf(USED)).toEqual([
      { day: '2026-02-27', micros: 0, heightPercent: 0 },
      { day: '2026-02-28', micros: 100_000, heightPercent: 100 },
      { day: '2026-03-01', micros: 0, heightPercent: 0 },
      // A tenth of a percent, and still seen.
      { day: '2026-03-02', micros: 100, heightPercent: 2 },
    ]);
  });

  it('are flat where nothing was used', () => {
    expect(barsOf(usage([])).map(({ heightPercent }) => heightPercent)).toEqual([0, 0, 0, 0]);
  });

  it('are one for a single day', () => {
    expect(barsOf(usage([], '2026-03-01', '2026-03-01'))).toHaveLength(1);
  });
});

describe('the shares', () => {
  it('are summed by model, the dearest first', () => {
    expect(sharesOf(USED)).toEqual([
      { model: 'large', turns: 2, micros: 70_000, widthPercent: 100 },
      { model: 'small', turns: 4, micros: 30_100, widthPercent: 43 },
    ]);
  });
});

it('nothing that was charged is lost, and nothing is drawn higher than the highest', () => {
  const lines = fc.array(
    fc
      .tuple(fc.constantFrom('2026-02-27', '2026-02-28', '2026-03-01'), fc.constantFrom('a', 'b', 'c'), fc.nat(10_000_000))
      .map(([day, model, micros]) => line(day, model, micros)),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(lines, (used) => {
      const charged = used.reduce((sum, { charged_micros }) => sum + charged_micros, 0);
      const bars = barsOf(usage(used)).map(({ micros, heightPercent }) => ({ micros, percent: heightPercent }));
      const shares = sharesOf(usage(used)).map(({ micros, widthPercent }) => ({ micros, percent: widthPercent }));
      for (const drawn of [bars, shares]) {
        expect(drawn.reduce((sum, { micros }) => sum + micros, 0)).toBe(charged);
        expect(Math.max(0, ...drawn.map(({ percent }) => percent))).toBe(charged ? 100 : 0);
      }
    }),
  );
});
