/** What a frame costs while an answer grows to 10,000 characters. */

import { describe, expect, it } from 'vitest';
import { MarkdownStream } from '../../../src/markdown';
import { DOCUMENTS } from './documents';

const CHARS = 10_000;
// About what a quick model writes within a frame.
const CHARS_PER_FRAME = 6;
const FRAME_MS_MAX = 4;

function grown(unit: string): string {
  return unit.repeat(Math.ceil(CHARS / unit.length)).slice(0, CHARS);
}

const { prose, lists, code, table, formulas } = DOCUMENTS as Record<string, string>;
const ANSWERS: Record<string, string> = {
  'an answer of everything': grown([prose, lists, code, table, formulas].join('\n\n')),
  'one list': grown('- 第一点：**重要**的 `code` 与 [链接](https://example.com)，还有一句话。\n'),
  'one table': `| 甲 | 乙 | 丙 |\n|---|---|---|\n${grown('| `a` | **b** | 第三列的文字 |\n')}`,
  'one piece of code': `\`\`\`python\n${grown('    print("鹊桥", 1 + 2)  # 注释\n')}`,
  'one paragraph without an end': grown('鹊桥相会，**金风玉露**一相逢，便胜却`人间`无数。'),
};

function frames(text: string): number[] {
  const stream = new MarkdownStream();
  const times: number[] = [];
  for (let at = 0; at < text.length; at += CHARS_PER_FRAME) {
    // Of the processor: what else the machine does is not the parser's.
    const begin = process.cpuUsage();
    stream.append(text.slice(at, at + CHARS_PER_FRAME));
    stream.blocks();
    const { user, system } = process.cpuUsage(begin);
    times.push((user + system) / 1000);
  }
  return times.sort((a, b) => a - b);
}

describe('a frame of an answer of 10,000 characters', () => {
  it.each(Object.entries(ANSWERS))('takes less than 4 ms in 95 of 100: %s', (name, text) => {
    frames(text.slice(0, 2_000));
    const times = frames(text);
    const at = (share: number) => (times[Math.floor(times.length * share)] ?? 0).toFixed(2);
    console.log(`frame of ${name}: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms, ${times.length} frames`);
    expect(Number(at(0.95))).toBeLessThan(FRAME_MS_MAX);
  });
});
