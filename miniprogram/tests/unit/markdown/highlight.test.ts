import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GrowingColours, highlighted, HIGHLIGHTED_CHARS_MAX } from '../../../src/markdown/highlight';

const text = (code: string, language: string) => highlighted(code, language).map((run) => run.text).join('');

describe('code in colours', () => {
  it('says what each piece is', () => {
    const runs = highlighted('def 桥():\n    return "鹊"  # 注', 'python');
    expect(runs).toContainEqual({ text: 'def', scope: 'keyword' });
    expect(runs).toContainEqual({ text: '"鹊"', scope: 'string' });
    expect(runs).toContainEqual({ text: '# 注', scope: 'comment' });
  });

  it('knows languages by their other names', () => {
    expect(highlighted('const a = 1', 'ts')[0]).toEqual({ text: 'const', scope: 'keyword' });
    expect(highlighted('<b>', 'html').length).toBeGreaterThan(1);
  });

  it('leaves what it does not know, and what is too long, plain', () => {
    expect(highlighted('x', 'brainfuck')).toEqual([{ text: 'x', scope: '' }]);
    const long = 'let a = 1;\n'.repeat(HIGHLIGHTED_CHARS_MAX / 10);
    expect(highlighted(long, 'js')).toEqual([{ text: long, scope: '' }]);
  });

  it('loses no character of any code', () => {
    const sign = fc.constantFrom('"', "'", '`', '${', '}', '/*', '*/', '//', '\n', ' ', 'if', '<a>', '&', '中', '😀');
    const language = fc.constantFrom('js', 'python', 'html', 'bash', 'sql', 'css', 'go', 'yaml');
    fc.assert(
      fc.property(fc.array(sign).map((all) => all.join('')), language, (code, name) => {
        expect(text(code, name)).toBe(code);
      }),
    );
  });
});

describe('code that grows', () => {
  const code = 'const bridge = "鹊桥"; // 注\n'.repeat(20);

  it('is always whole, and in the end coloured as a whole', () => {
    const colours = new GrowingColours();
    for (let end = 0; end <= code.length; end += 7) {
      const runs = colours.of(code.slice(0, end), 'js', true);
      expect(runs.map((run) => run.text).join('')).toBe(code.slice(0, end));
    }
    expect(colours.of(code, 'js', false)).toEqual(highlighted(code, 'js'));
  });

  it('is coloured from its beginning, and anew when it becomes another one', () => {
    const colours = new GrowingColours();
    expect(colours.of('const a', 'js', true)[0]).toEqual({ text: 'const', scope: 'keyword' });
    expect(colours.of('let b', 'js', true)[0]).toEqual({ text: 'let', scope: 'keyword' });
    expect(colours.of('let b', 'python', true)).toEqual(highlighted('let b', 'python'));
  });
});
