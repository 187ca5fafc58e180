import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MarkdownStream, parseMarkdown } from '../../../src/markdown';
import type { Block } from '../../../src/markdown';
import { DOCUMENTS } from './documents';

function streamed(pieces: readonly string[], draw: boolean): readonly Block[] {
  const stream = new MarkdownStream();
  for (const piece of pieces) {
    stream.append(piece);
    if (draw) stream.blocks();
  }
  return stream.finish();
}

function piecesOf(text: string, cuts: readonly number[]): string[] {
  const places = [0, ...[...cuts].map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length];
  return places.slice(1).map((end, index) => text.slice(places[index], end));
}

describe('a text that grows', () => {
  it.each(Object.entries(DOCUMENTS))('%s: is in the end what it is when parsed whole, drawn at every character', (_, text) => {
    expect(streamed(text.split(''), true)).toEqual(parseMarkdown(text));
  });

  it('is in the end what it is when parsed whole, in any pieces', () => {
    const line = fc.constantFrom(
      ...Object.values(DOCUMENTS).flatMap((text) => text.split('\n')),
      '',
      '',
      '```',
      '$$',
      '\\[',
      '\\]',
      '    ',
      '[a]: https://x.example',
      '[a]',
      '|a|',
      '|-|',
      '- ',
      '> ',
      '---',
      '===',
    );
    const sign = fc.constantFrom('*', '_', '`', '~', '$', '[', ']', '(', ')', '\n', ' ', '中', 'a', '|', '-', '#', '>', '1.', '\r', '\\', ':');
    const text = fc.oneof(
      fc.array(line, { maxLength: 14 }).map((lines) => lines.join('\n')),
      fc.array(sign, { maxLength: 50 }).map((signs) => signs.join('')),
    );
    const cuts = fc.array(fc.nat(1000), { maxLength: 10 });
    fc.assert(
      fc.property(text, cuts, (value, places) => {
        const pieces = piecesOf(value, places);
        expect(streamed(pieces, true)).toEqual(parseMarkdown(value));
        expect(streamed(pieces, false)).toEqual(parseMarkdown(value));
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps its settled blocks: the same objects, frame by frame', () => {
    const stream = new MarkdownStream();
    let before: readonly Block[] = [];
    let kept = 0;
    for (const character of DOCUMENTS.prose as string) {
      stream.append(character);
      const now = stream.blocks();
      before.slice(0, -2).forEach((block, index) => {
        expect(now[index]).toBe(block);
        kept += 1;
      });
      before = now;
    }
    expect(kept).toBeGreaterThan(20);
  });

  it('keeps the texts of an open list that did not change', () => {
    const stream = new MarkdownStream();
    stream.append('- 一\n- 二\n- 三');
    const [before] = stream.blocks();
    stream.append('三');
    const [now] = stream.blocks();
    const runs = (block: Block | undefined) =>
      block?.type === 'list' ? block.items.map(({ blocks: [first] }) => (first?.type === 'paragraph' ? first.runs : null)) : [];
    expect(runs(now)[0]).toBe(runs(before)[0]);
    expect(runs(now)[1]).toBe(runs(before)[1]);
    expect(runs(now)[2]).not.toBe(runs(before)[2]);
  });
});

/** What is drawn after each character: the types of blocks, without repetitions. */
function shapes(text: string): string[] {
  const stream = new MarkdownStream();
  const seen: string[] = [];
  for (const character of text) {
    stream.append(character);
    const shape = stream
      .blocks()
      .map(({ type }) => type)
      .join(' ');
    if (shape !== seen[seen.length - 1]) seen.push(shape);
  }
  return seen;
}

function texts(text: string): string[] {
  const stream = new MarkdownStream();
  return [...text].map((character) => {
    stream.append(character);
    const last = stream.blocks().slice(-1)[0];
    const runs = last && 'runs' in last ? last.runs : [];
    return runs.map((run) => (run.type === 'text' ? `${run.strong ? 'B' : ''}${run.em ? 'I' : ''}${run.code ? 'C' : ''}${run.href ? 'L' : ''}:${run.text}` : run.type)).join('|');
  });
}

describe('what is not finished', () => {
  it.each([
    ['a list below a paragraph never looks like a heading', '优点：\n- 快\n- 稳', ['', 'paragraph', 'paragraph list']],
    ['a numbered list never looks like a number', '步骤\n\n1. 安装\n2. 运行', ['', 'paragraph', 'paragraph list']],
    ['a table is one from its first cell', '表：\n\n| 甲 | 乙 |\n|---|---|\n| 1 | 2 |', ['', 'paragraph', 'paragraph table']],
    ['code is code from its first line', '看：\n\n```js\nlet a\n```\n完', ['', 'paragraph', 'paragraph code', 'paragraph code paragraph']],
    ['a formula is one from its beginning', '式：\n\n$$\nx\n$$\n', ['', 'paragraph', 'paragraph formula']],
    ['a rule needs no second look', '上\n\n---\n\n下', ['', 'paragraph', 'paragraph rule', 'paragraph rule paragraph']],
    ['a heading is one from its first character', '## 标题', ['', 'heading']],
  ])('%s', (_, text, expected) => {
    const seen = shapes(text);
    expect(seen[0] === '' ? seen : ['', ...seen]).toEqual(expected);
  });

  it('strong text is strong from its first character, and its signs are never seen', () => {
    expect(texts('这**重要**的')).toEqual([':这', ':这', ':这', ':这|B:重', ':这|B:重要', ':这|B:重要', ':这|B:重要', ':这|B:重要|:的']);
  });

  it('code in text is code from its first character', () => {
    expect(texts('用`ab`')).toEqual([':用', ':用', ':用|C:a', ':用|C:ab', ':用|C:ab']);
  });

  it('a link shows its text until it has its address', () => {
    const seen = texts('见[文档](https://a.cn)');
    expect(seen.slice(2, -1).every((each) => /^:见(?:文档?)?$/.test(each))).toBe(true);
    expect(seen.slice(-1)).toEqual([':见|L:文档']);
  });

  it('an image shows nothing until it has its address', () => {
    const seen = texts('图![河](https://a.cn/b.png)');
    expect(new Set(seen.slice(0, -1))).toEqual(new Set([':图']));
    expect(seen.slice(-1)).toEqual([':图|image']);
  });

  it('code and formulas say that more is to come', () => {
    const stream = new MarkdownStream();
    stream.append('```js\na');
    expect(stream.blocks()).toMatchObject([{ type: 'code', language: 'js', text: 'a', open: true }]);
    stream.append('\n``');
    expect(stream.blocks()).toMatchObject([{ text: 'a', open: true }]);
    stream.append('`\n');
    expect(stream.blocks()).toMatchObject([{ text: 'a', open: false }]);
    stream.append('\n\\[x');
    expect(stream.blocks().slice(-1)).toMatchObject([{ type: 'formula', tex: 'x', open: true }]);
    stream.append('\\]');
    expect(stream.blocks().slice(-1)).toMatchObject([{ type: 'formula', tex: 'x', open: false }]);
  });
});
