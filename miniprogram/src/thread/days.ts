/** Conversations by when they were last used, as people remember them. Pure. */

/** `pinned` stands before the days; `earlier` is more than a month ago. */
export type DayName = 'pinned' | 'today' | 'yesterday' | 'week' | 'month' | 'earlier';

export interface DayGroup<Item> {
  name: DayName;
  items: readonly Item[];
}

const NAMES: readonly DayName[] = ['pinned', 'today', 'yesterday', 'week', 'month', 'earlier'];

/** Groups in the order of `NAMES`, without empty ones; items stay in their order. `updated_at` is in seconds. */
export function groupByDay<Item extends { updated_at: number; pinned?: boolean }>(
  items: readonly Item[],
  now: Date,
): DayGroup<Item>[] {
  const groups = NAMES.map((name) => ({
    name,
    items: items.filter((item) => (item.pinned ? 'pinned' : dayOf(item.updated_at * 1000, now)) === name),
  }));
  return groups.filter((group) => group.items.length > 0);
}

function dayOf(atMs: number, now: Date): DayName {
  // By the calendar: a day on which clocks are changed has no 24 hours.
  const midnight = (daysAgo: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() - daysAgo).getTime();
  if (atMs >= midnight(0)) return 'today';
  if (atMs >= midnight(1)) return 'yesterday';
  if (atMs >= midnight(7)) return 'week';
  return atMs >= midnight(30) ? 'month' : 'earlier';
}
