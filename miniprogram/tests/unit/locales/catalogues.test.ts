/** The catalogues: what one language says, the other says too, and screens ask for nothing else. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import en from '../../../src/locales/en';
import zh from '../../../src/locales/zh-CN';

const SOURCE = fileURLToPath(new URL('../../../src', import.meta.url));
const SECTIONS = Object.keys(zh).join('|');

/** Every text by its key; items of lists are numbered. */
function textsOf(value: unknown, key = ''): Map<string, string> {
  if (typeof value === 'string') return new Map([[key, value]]);
  const entries = Object.entries(value as object);
  return new Map(entries.flatMap(([name, each]) => [...textsOf(each, key ? `${key}.${name}` : name)]));
}

const chinese = textsOf(zh);
const english = textsOf(en);

/** All templates and scripts of the app but the catalogues themselves. */
function sources(): string {
  const names = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' });
  const read = names.filter((name) => /\.(vue|ts)$/.test(name) && !name.startsWith('locales'));
  return read.map((name) => readFileSync(join(SOURCE, name), 'utf8')).join('\n');
}

function found(text: string, pattern: string): string[] {
  return [...text.matchAll(new RegExp(pattern, 'g'))].map(([, key]) => key ?? '');
}

const text = sources();
/** Keys that stand in the sources whole, as in `t('chat.send')`. */
const whole = found(text, `'((?:${SECTIONS})(?:\\.[\\w-]+)+)'`);
/** Keys of which the last part is known when the app runs, as in `` t(`orders.states.${state}`) ``. */
const begun = found(text, `\`((?:${SECTIONS})(?:\\.[\\w-]+)*\\.)\\$\\{`);
/** Lists of texts, as in `messagesOf(locale).welcome.points`. */
const lists = found(text, '\\bmessagesOf\\([\\w.]+\\)\\.([\\w.]*\\w)');

describe('the catalogues', () => {
  it('have the same keys', () => {
    expect([...english.keys()].sort()).toEqual([...chinese.keys()].sort());
  });

  it('have the same places for values', () => {
    const places = (texts: Map<string, string>, key: string) => found(texts.get(key) ?? '', '\\{(\\w+)\\}').sort();
    for (const key of chinese.keys()) expect(places(english, key), key).toEqual(places(chinese, key));
  });

  it('say something everywhere', () => {
    for (const [key, said] of [...chinese, ...english]) expect(said.trim(), key).not.toBe('');
  });

  it('say it in their language', () => {
    for (const [key, said] of english) {
      if (key !== 'settings.languages.zh-CN') expect(said, key).not.toMatch(/\p{Script=Han}/u);
    }
  });
});

describe('the screens', () => {
  it('ask for texts', () => {
    expect([whole.length, begun.length, lists.length].every((count) => count > 2)).toBe(true);
  });

  it('ask for no text that is not there', () => {
    const missing = whole.filter((key) => !chinese.has(key));
    const empty = [...begun, ...lists.map((list) => `${list}.`)].filter((begin) => ![...chinese.keys()].some((key) => key.startsWith(begin)));
    expect([...missing, ...empty]).toEqual([]);
  });

  it('leave no text unused', () => {
    const used = (key: string) =>
      whole.includes(key) || begun.some((begin) => key.startsWith(begin)) || lists.some((list) => key.startsWith(`${list}.`));
    expect([...chinese.keys()].filter((key) => !used(key))).toEqual([]);
  });
});
