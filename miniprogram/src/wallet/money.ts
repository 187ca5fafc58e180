/** Amounts as people read them. Pure; micro-yuan are CNY × 10⁻⁶. */

const MICROS_PER_FEN = 10_000;
const FEN_PER_YUAN = 100;

/** Yuan with two places, rounded down: nobody is told that they have more than they have. */
export function yuan(micros: number): string {
  const fen = Math.floor(micros / MICROS_PER_FEN);
  const sign = fen < 0 ? '-' : '';
  const whole = Math.abs(fen);
  return `${sign}${Math.floor(whole / FEN_PER_YUAN)}.${String(whole % FEN_PER_YUAN).padStart(2, '0')}`;
}

/** What something cost, in yuan: small sums with four places, for most questions cost less than a fen. */
export function cost(micros: number): string {
  return micros > 0 && micros < MICROS_PER_FEN * FEN_PER_YUAN ? (micros / 1_000_000).toFixed(4) : yuan(micros);
}

/** An exact amount of yuan, as text, without zeros at its end beyond the second place. */
export function exactYuan(amount: string): string {
  const [whole = '0', places = ''] = amount.split('.');
  return `${whole}.${places.replace(/0+$/, '').padEnd(2, '0')}`;
}

/** Fen as yuan. */
export function yuanOfFen(fen: number): string {
  return yuan(fen * MICROS_PER_FEN);
}
