/** Amounts as people read them. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exactYuan, yuan, yuanOfFen } from '../../../src/wallet/money';

const MICROS_PER_FEN = 10_000;
/** What a wallet can hold: a hundred million yuan, in micro-yuan. */
const MICROS = fc.integer({ min: -100_000_000_000_000, max: 100_000_000_000_000 });

const fenOf = (text: string) => Number(text.replace('.', ''));

describe('micro-yuan', () => {
  it.each([
    [0, '0.00'],
    [9_999, '0.00'],
    [10_000, '0.01'],
    [1_000_000, '1.00'],
    [12_345_678, '12.34'],
    [-1, '-0.01'],
    [-1_230_000, '-1.23'],
  ])('%i are ¥%s', (micros, text) => {
    expect(yuan(micros)).toBe(text);
  });

  it('are never more than they are, and less by no whole fen', () => {
    fc.assert(
      fc.property(MICROS, (micros) => {
        const text = yuan(micros);
        expect(text).toMatch(/^-?\d+\.\d\d$/);
        const lost = micros - fenOf(text) * MICROS_PER_FEN;
        expect(lost).toBeGreaterThanOrEqual(0);
        expect(lost).toBeLessThan(MICROS_PER_FEN);
      }),
    );
  });

  it('keep their order', () => {
    fc.assert(
      fc.property(MICROS, MICROS, (one, other) => {
        const [less, more] = one < other ? [one, other] : [other, one];
        expect(fenOf(yuan(less))).toBeLessThanOrEqual(fenOf(yuan(more)));
      }),
    );
  });
});

describe('fen', () => {
  it('are yuan exactly', () => {
    fc.assert(
      fc.property(fc.integer({ min: -10_000_000_000, max: 10_000_000_000 }), (fen) => {
        expect(fenOf(yuanOfFen(fen))).toBe(fen === 0 ? 0 : fen);
      }),
    );
  });
});

describe('an exact amount', () => {
  it.each([
    ['0', '0.00'],
    ['12', '12.00'],
    ['0.5', '0.50'],
    ['1.000000', '1.00'],
    ['0.000123', '0.000123'],
    ['3.140000', '3.14'],
    ['-0.010000', '-0.01'],
  ])('%s is ¥%s', (amount, text) => {
    expect(exactYuan(amount)).toBe(text);
  });

  it('is the same amount, to the last place that says anything', () => {
    fc.assert(
      fc.property(MICROS, (micros) => {
        const sign = micros < 0 ? '-' : '';
        const digits = String(Math.abs(micros)).padStart(7, '0');
        const amount = `${sign}${digits.slice(0, -6)}.${digits.slice(-6)}`;
        const text = exactYuan(amount);
        expect(text).toMatch(/^-?\d+\.\d\d(\d*[1-9])?$/);
        expect(text.padEnd(amount.length, '0')).toBe(amount);
      }),
    );
  });
});
