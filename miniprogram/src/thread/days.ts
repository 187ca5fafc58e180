/** Conversations by when they were last used, as people remember them. Pure. */

/** `pinned` stands before the days; `earlier` is more than a month ago. */
export type DayName = 'pinned' | 'today' | 'yesterday' | 'week' | 'month' | 'earlier';

export interface DayGroup<Item> {
  name: DayName;
  items: readonly Item[];
}

const DAY_MS = 86_400_000;
const NAMES: readonly DayName[] = ['pinned', 'today', 'yesterday', 'week', 'month', 'earlier'];

/** Groups in the order of `NAMES`, without empty ones; items stay in their order. `updated_at` is in seconds. */
export function groupByDay<Item extends { updated_at: number; pinned?: boolean }>(
  items: readonly Item[],
  now: Date,
): DayGroup<Item>[] {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const groups = NAMES.map((name) => ({
    name,
    items: items.filter((item) => (item.pinned ? 'pinned' : dayOf(item.updated_at * 1000, midnight)) === name),
  }));
  return groups.filter((group) => group.items.length > 0);
}

function dayOf(atMs: number, midnightMs: number): DayName {
  if (atMs >= midnightMs) return 'today';
  if (atMs >= midnightMs - DAY_MS) return 'yesterday';
  if (atMs >= midnightMs - 7 * DAY_MS) return 'week';
  return atMs >= midnightMs - 30 * DAY_MS ? 'month' : 'earlier';
}
