/** Conversations by day, as people remember them. */

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { groupByDay } from '../../../src/thread/days';

const { TZ } = process.env;

const at = (text: string) => Date.parse(text) / 1000;
const named = (now: string, updated_at: number) => groupByDay([{ updated_at }], new Date(now))[0]?.name;

afterEach(() => {
  process.env.TZ = TZ ?? 'UTC';
});

describe('in China', () => {
  const now = '2026-03-10T00:30:00+08:00';
  beforeEach(() => {
    process.env.TZ = 'Asia/Shanghai';
  });

  it.each([
    ['2026-03-10T00:00:00+08:00', 'today'],
    ['2026-03-09T23:59:59+08:00', 'yesterday'],
    ['2026-03-09T00:00:00+08:00', 'yesterday'],
    ['2026-03-08T23:59:59+08:00', 'week'],
    ['2026-03-03T00:00:00+08:00', 'week'],
    ['2026-03-02T23:59:59+08:00', 'month'],
    ['2026-02-08T00:00:00+08:00', 'month'],
    ['2026-02-07T23:59:59+08:00', 'earlier'],
  ])('%s is %s', (text, name) => {
    expect(named(now, at(text))).toBe(name);
  });

  it('what was used a moment ahead of this clock is of today', () => {
    expect(named(now, at('2026-03-11T00:00:00+08:00'))).toBe('today');
  });

  it('what is pinned stands first, however old it is', () => {
    const old = { updated_at: 0, pinned: true };
    const groups = groupByDay([{ updated_at: at(now) }, old], new Date(now));
    expect(groups.map(({ name }) => name)).toEqual(['pinned', 'today']);
    expect(groups[0]?.items).toEqual([old]);
  });

  it('every conversation is in one group, in its order, and no group is empty', () => {
    const item = fc.record({ updated_at: fc.integer({ min: at('2025-12-01'), max: at(now) }), pinned: fc.boolean() });
    fc.assert(
      fc.property(fc.array(item), (items) => {
        const sorted = [...items].sort((a, b) => b.updated_at - a.updated_at);
        const groups = groupByDay(sorted, new Date(now));
        expect(groups.every((group) => group.items.length > 0)).toBe(true);
        const pinnedFirst = [...sorted.filter(({ pinned }) => pinned), ...sorted.filter(({ pinned }) => !pinned)];
        expect(groups.flatMap((group) => group.items)).toEqual(pinnedFirst);
      }),
    );
  });
});

describe('where clocks are put on', () => {
  it('yesterday begins at its midnight, though it had an hour less', () => {
    process.env.TZ = 'Europe/Berlin';
    const now = '2026-03-30T12:00:00+02:00';
    expect(named(now, at('2026-03-29T00:30:00+01:00'))).toBe('yesterday');
    expect(named(now, at('2026-03-28T23:30:00+01:00'))).toBe('week');
  });
});
