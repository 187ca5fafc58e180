/** Times as people read them. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dateTime } from '../../../src/wallet/times';

const { TZ } = process.env;

beforeAll(() => {
  process.env.TZ = 'Asia/Shanghai';
});
afterAll(() => {
  process.env.TZ = TZ ?? 'UTC';
});

const at = (text: string) => Date.parse(text) / 1000;
const now = new Date('2026-03-10T12:00:00+08:00');

describe('a time', () => {
  it.each([
    ['2026-03-09T08:05:59+08:00', 'zh-CN', '3月9日 08:05'],
    ['2026-01-01T00:00:00+08:00', 'zh-CN', '1月1日 00:00'],
    ['2025-12-31T23:59:00+08:00', 'zh-CN', '2025年12月31日 23:59'],
    ['2026-03-09T08:05:59+08:00', 'en', '2026-03-09 08:05'],
    ['2025-12-31T23:59:00+08:00', 'en', '2025-12-31 23:59'],
  ])('%s is in %s: %s', (text, locale, written) => {
    expect(dateTime(at(text), locale, now)).toBe(written);
  });

  it('is one of the zone of the device', () => {
    expect(dateTime(at('2026-03-08T17:00:00Z'), 'en', now)).toBe('2026-03-09 01:00');
  });
});
