/** How many questions an amount pays for. Pure; amounts are in micro-yuan (CNY × 10⁻⁶). */

import type { Model, Usage } from '@/api/shapes';

/** A usual question and its answer, in tokens, for whoever has not asked yet. */
const USUAL = { input: 400, output: 500 };
const TOKENS_PER_MILLION = 1_000_000;
// Fewer say little about the next one.
const TURNS_MIN = 5;

/** About how many questions, by what this person's cost lately, else by the model's price; null when neither is known. */
export function questionsOf(availableMicros: number, usage: Usage | null, model: Model | null): number | null {
  const cost = averageMicros(usage) ?? (model && questionMicros(model));
  return cost === null || cost <= 0 ? null : Math.max(0, Math.floor(availableMicros / cost));
}

function averageMicros(usage: Usage | null): number | null {
  if (!usage || usage.totals.turns < TURNS_MIN || usage.totals.charged_micros <= 0) return null;
  return usage.totals.charged_micros / usage.totals.turns;
}

/** What a usual question and its answer cost; null while the price is not known. */
export function questionMicros({ price }: Model): number | null {
  if (!price) return null;
  const { input_micros_per_million: input, output_micros_per_million: output } = price;
  return (USUAL.input * input + USUAL.output * output) / TOKENS_PER_MILLION;
}
