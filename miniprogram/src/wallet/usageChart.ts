/** Usage as a chart: what each day cost, and each model. Pure. */

import type { Usage } from '@/api/shapes';

const DAY_MS = 86_400_000;

export interface Bar {
  /** YYYY-MM-DD. */
  day: string;
  micros: number;
  /** Of the highest, in percent; a day that cost anything is seen. */
  heightPercent: number;
}

export interface ModelShare {
  model: string;
  turns: number;
  micros: number;
  /** Of the dearest model, in percent. */
  widthPercent: number;
}

const SEEN_PERCENT = 2;

/** Every day of the range, the empty ones too. */
export function barsOf({ start, end, lines }: Usage): Bar[] {
  const byDay = new Map<string, number>();
  for (const { day, charged_micros } of lines) byDay.set(day, (byDay.get(day) ?? 0) + charged_micros);
  const most = Math.max(1, ...byDay.values());
  const bars: Bar[] = [];
  for (let at = Date.parse(`${start}T00:00:00Z`); at <= Date.parse(`${end}T00:00:00Z`); at += DAY_MS) {
    const day = new Date(at).toISOString().slice(0, 10);
    const micros = byDay.get(day) ?? 0;
    bars.push({ day, micros, heightPercent: percent(micros, most) });
  }
  return bars;
}

/** The models, the dearest first. */
export function sharesOf({ lines }: Usage): ModelShare[] {
  const byModel = new Map<string, { turns: number; micros: number }>();
  for (const { model, turns, charged_micros } of lines) {
    const known = byModel.get(model) ?? { turns: 0, micros: 0 };
    byModel.set(model, { turns: known.turns + turns, micros: known.micros + charged_micros });
  }
  const shares = [...byModel].map(([model, sum]) => ({ model, ...sum })).sort((a, b) => b.micros - a.micros);
  const most = Math.max(1, ...shares.map(({ micros }) => micros));
  return shares.map((share) => ({ ...share, widthPercent: percent(share.micros, most) }));
}

function percent(micros: number, most: number): number {
  return micros <= 0 ? 0 : Math.max(SEEN_PERCENT, Math.round((micros / most) * 100));
}
