import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMarkdown } from '../../../src/markdown';
import type { Block, Runs } from '../../../src/markdown';
import { DOCUMENTS } from './documents';

function runs(text: string): Runs {
  const [first] = parseMarkdown(text);
  return first && 'runs' in first ? first.runs : [];
}

/** Every object of a tree. */
function* parts(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield value as Record<string, unknown>;
  for (const child of Object.values(value)) yield* parts(child);
}

describe('text', () => {
  it('has looks, one run each', () => {
    expect(runs('平**重 _斜_**~~删~~`码`')).toEqual([
      { type: 'text', text: '平' },
      { type: 'text', text: '重 ', strong: true },
      { type: 'text', text: '斜', strong: true, em: true },
      { type: 'text', text: '删', strike: true },
      { type: 'text', text: '码', code: true },
    ]);
  });

  it('is emphasized beside Chinese punctuation', () => {
    expect(runs('**注意：**后面的“**引文**”。')).toMatchObject([
      { text: '注意：', strong: true },
      { text: '后面的“' },
      { text: '引文', strong: true },
      { text: '”。' },
    ]);
  });

  it('breaks where the author broke it', () => {
    expect(runs('一\n二')).toEqual([{ type: 'text', text: '一' }, { type: 'break' }, { type: 'text', text: '二' }]);
  });

  it('holds formulas, and money is none', () => {
    expect(runs('$a$ \\(b\\) $$c$$ \\[d\\] 价 $5 和 $6')).toMatchObject([
      { tex: 'a', display: false },
      { text: ' ' },
      { tex: 'b', display: false },
      { text: ' ' },
      { tex: 'c', display: true },
      { text: ' ' },
      { tex: 'd', display: true },
      { text: ' 价 $5 和 $6' },
    ]);
  });
});

describe('blocks', () => {
  it('are lists in lists, tight or loose, and tasks', () => {
    const paragraph = (text: string) => ({ type: 'paragraph', runs: [{ type: 'text', text }] });
    expect(parseMarkdown('3. 一\n   - [x] 二\n   - [ ] 三\n4. 四')).toEqual([
      {
        type: 'list',
        start: 3,
        tight: true,
        items: [
          {
            checked: null,
            blocks: [
              paragraph('一'),
              {
                type: 'list',
                start: null,
                tight: true,
                items: [
                  { checked: true, blocks: [paragraph('二')] },
                  { checked: false, blocks: [paragraph('三')] },
                ],
              },
            ],
          },
          { checked: null, blocks: [paragraph('四')] },
        ],
      },
    ]);
    expect(parseMarkdown('- 松\n\n- 散')).toMatchObject([{ tight: false }]);
  });

  it('are tables with alignments', () => {
    const cell = (text: string) => [{ type: 'text', text }];
    expect(parseMarkdown('|甲|乙|\n|:-:|--:|\n|1|2|')).toEqual([
      { type: 'table', aligns: ['center', 'right'], head: [cell('甲'), cell('乙')], rows: [[cell('1'), cell('2')]] },
    ]);
  });

  it('are code, named in lower case, and formulas', () => {
    expect(parseMarkdown('```Python title\nx\n```\n$$\ny\n$$')).toEqual([
      { type: 'code', language: 'python', text: 'x', open: false },
      { type: 'formula', tex: 'y', open: false },
    ]);
  });

  it('are not swallowed by a formula that nobody closes, or that text follows', () => {
    expect(parseMarkdown('$$\nx\n\n# 标题').map(({ type }) => type)).toEqual(['paragraph', 'heading']);
    expect(parseMarkdown('$$x$$，其中\n\n# 标题').map(({ type }) => type)).toEqual(['paragraph', 'heading']);
  });
});

describe('what a model may write is harmless', () => {
  it.each(['<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '<a href="javascript:alert(1)">x</a>'])(
    '%s is text',
    (html) => {
      expect(runs(html).map((run) => (run.type === 'text' ? run.text : '')).join('')).toBe(html);
    },
  );

  it.each(['javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'data:text/html,x', 'vbscript:x', 'file:///etc/passwd', '//evil.example', 'weixin://dl'])(
    '%s is no address',
    (address) => {
      const tree = [...parts(parseMarkdown(`[x](${address}) ![y](${address}) <${address}>\n\n[z][r]\n\n[r]: ${address}`))];
      expect(tree.filter(({ href, src }) => href !== undefined || src !== undefined)).toEqual([]);
    },
  );

  it('leads to http and https alone, whatever is written', () => {
    const piece = fc.constantFrom(...Object.values(DOCUMENTS), '[a](', ')', '<', '>', 'javascript:', 'https://', '&#106;avascript:', '\n', '![', ']');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }).map((all) => all.join('')), (text) => {
        for (const { href, src } of parts(parseMarkdown(text))) {
          for (const address of [href, src]) {
            if (address !== undefined) expect(address).toMatch(/^https?:\/\//i);
          }
        }
      }),
    );
  });

  it('is read in a time that grows with its length', () => {
    for (const sign of ['*', '_', '[', '![', '`', '>', '- ', '|', '$', '\\(', '~~', '**a ', '[a](', '<']) {
      const begin = process.cpuUsage();
      const blocks: readonly Block[] = parseMarkdown(sign.repeat(5_000));
      const { user } = process.cpuUsage(begin);
      expect(blocks.length).toBeGreaterThan(0);
      expect(user / 1000).toBeLessThan(1_500);
    }
  });
});
