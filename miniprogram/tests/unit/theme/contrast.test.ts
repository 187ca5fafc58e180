/** The colours of both schemes: whoever sees little reads all the same (WCAG 2.2, AA). */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

type Colour = readonly [red: number, green: number, blue: number];
type Tokens = ReadonlyMap<string, string>;

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../../src/${path}`, import.meta.url)), 'utf8');

/** The custom properties of a rule. */
function tokensOf(css: string, selector: string): Map<string, string> {
  const rule = css.slice(css.indexOf(`${selector} {`)).split('}')[0] ?? '';
  return new Map([...rule.matchAll(/(--[\w-]+):\s*([^;]+);/g)].map(([, name = '', value = '']) => [name, value]));
}

function parsed(value: string): { colour: Colour; opacity: number } {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(value);
  if (hex) return { colour: [1, 2, 3].map((part) => parseInt(hex[part] ?? '', 16)) as unknown as Colour, opacity: 1 };
  const [red, green, blue, opacity] = (value.match(/[\d.]+/g) ?? []).map(Number);
  if (!value.startsWith('rgba(') || opacity === undefined) throw new Error(`${value} is no colour that is known here.`);
  return { colour: [red ?? 0, green ?? 0, blue ?? 0], opacity };
}

/** A colour as it is seen, over what lies below it. */
function over(value: string, below: Colour): Colour {
  const { colour, opacity } = parsed(value);
  return colour.map((part, index) => part * opacity + (below[index] ?? 0) * (1 - opacity)) as unknown as Colour;
}

function luminance(colour: Colour): number {
  const [red = 0, green = 0, blue = 0] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: Colour, other: Colour): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

const css = read('theme/tokens.css');
const light = tokensOf(css, '.screen');
const dark = new Map([...light, ...tokensOf(css, '.screen.dark')]);
// What code is coloured with where a scheme says nothing.
const code = [...read('components/markdown/CodeView.vue').matchAll(/var\((--markdown-[\w-]+), (#\w+)\)/g)];
const written = new Map(code.map(([, name = '', value = '']) => [name, value]));

const GROUNDS = ['--ground', '--surface', '--raised'];

/** What is written on what, as the components do it. */
const PAIRS: readonly (readonly [text: string, grounds: readonly string[]])[] = [
  ['--text', [...GROUNDS, '--sunken', '--brand-ground']],
  ['--soft', [...GROUNDS, '--sunken', '--brand-ground']],
  ['--brand-strong', GROUNDS],
  ['--brand-text', ['--brand-ground']],
  ['--on-brand', ['--brand', '--brand-strong']],
  ['--danger', [...GROUNDS, '--danger-ground']],
  ['--warm', ['--warm-ground']],
  ['--markdown-soft', [...GROUNDS, '--markdown-code-ground']],
  ['--markdown-link', GROUNDS],
  ...['code', 'keyword', 'string', 'comment', 'number', 'title'].map((name) => [`--markdown-${name}`, ['--markdown-code-ground']] as const),
];

const AA_TEXT = 4.5;
const AA_SHAPES = 3;

function colourOf(tokens: Tokens, name: string, below: Colour = [0, 0, 0]): Colour {
  const value = tokens.get(name) ?? written.get(name);
  if (value === undefined) throw new Error(`Nothing says what ${name} is.`);
  return over(value, below);
}

describe.each<[string, Tokens]>([
  ['light', light],
  ['dark', dark],
])('in the %s scheme', (_, tokens) => {
  it.each(PAIRS.flatMap(([text, grounds]) => grounds.map((ground) => [text, ground])))('%s is read on %s', (text = '', ground = '') => {
    expect(contrast(colourOf(tokens, text), colourOf(tokens, ground))).toBeGreaterThanOrEqual(AA_TEXT);
  });

  it.each(GROUNDS)('text is read on a line that is held, on %s', (ground) => {
    const held = colourOf(tokens, '--markdown-inset', colourOf(tokens, ground));
    for (const text of ['--text', '--soft', '--brand-strong']) {
      expect(contrast(colourOf(tokens, text), held), text).toBeGreaterThanOrEqual(AA_TEXT);
    }
  });

  it.each([...GROUNDS, '--sunken'])('bars, switches and icons are seen on %s', (ground) => {
    expect(contrast(colourOf(tokens, '--brand'), colourOf(tokens, ground))).toBeGreaterThanOrEqual(AA_SHAPES);
  });
});

it('black on white has the contrast that the standard says', () => {
  expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21);
  expect(contrast([119, 119, 119], [255, 255, 255])).toBeCloseTo(4.48, 2);
});
