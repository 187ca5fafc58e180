/**
 * What the unfinished end of a text is shown as: signs that may become anything are held back, and what is begun is shown
 * as if it were finished. Pure; the finished text never passes here.
 */

import remend from 'remend';
import type { Run, Runs } from './nodes';

// Of a last line: what may become a list, a heading, a rule, a fence, a quote, a table, a formula, or an underline that
// makes a heading of the line above.
const UNDECIDED_LINE = /^[ \t>]*(?:[-+*=_~`#|:$]+|\d{1,9}[.)]?|[-+*][ \t]+\[[ xX]?\]?|\\[[(]?)?[ \t]*$/;
const FENCE_SIGNS = /^[ \t>]*[`~]+[ \t]*$/;
const QUOTE_SIGNS = /^[ \t>]*/;

const DELIMITER_CELL = ' --- |';
const DELIMITER_SIGNS = /^\|[ \t:|-]*$/;

// An image whose address is not known yet shows nothing.
const BEGUN_IMAGE = /!\[[^\]\n]*(?:\](?:\([^)\n]*)?)?$/;
// Its address may follow.
const BEGUN_LINK = /\[([^[\]\n]+)\]$/;
const BARE_SIGNS = /(?:[*_~`]+|!?\[|\\|!)$/;

// What is begun further back is not looked for: nobody emphasizes so much, and every frame would pay for it.
const LOOKED_BACK_CHARS = 1_000;

/** The end of a text as it is shown while more is to come; `verbatim` within code and formulas. */
export function shownEnd(text: string, verbatim: boolean): string {
  const begin = text.lastIndexOf('\n') + 1;
  const line = text.slice(begin);
  if (verbatim) return FENCE_SIGNS.test(line) && /[`~]/.test(line) ? text.slice(0, begin) : text;
  const withTable = completedTable(text);
  if (withTable !== null) return withTable;
  return line !== '' && UNDECIDED_LINE.test(line) ? text.slice(0, begin) : text;
}

/** With the row that makes a table of its first line, when that is all that is missing; else null. */
function completedTable(text: string): string | null {
  const lines = text.split('\n');
  const last = lines.pop() ?? '';
  const before = lines.pop();
  const isRow = (line: string | undefined) => line?.startsWith('|') ?? false;
  if (isRow(before) && !isRow(lines[lines.length - 1]) && (last === '' || DELIMITER_SIGNS.test(last))) {
    return [...lines, before, delimiterRow(before as string)].join('\n');
  }
  if (isRow(last) && !isRow(before) && !DELIMITER_SIGNS.test(last)) {
    return [...lines, ...(before === undefined ? [] : [before]), last, delimiterRow(last)].join('\n');
  }
  return null;
}

function delimiterRow(header: string): string {
  const cells = header.trim().replace(/^\|/, '').replace(/\|$/, '').split('|').length;
  return `|${DELIMITER_CELL.repeat(cells)}`;
}

/** The text of the last block, with what is begun in it closed. */
export function closedText(text: string): { text: string; formulaOpen: boolean } {
  const shown = text.replace(BEGUN_IMAGE, '').replace(BEGUN_LINK, '$1');
  const formula = openFormula(shown);
  if (formula !== null) return { text: `${shown}${formula}`, formulaOpen: true };
  const begin = Math.max(0, shown.length - LOOKED_BACK_CHARS);
  const closed = remend(shown.slice(begin), {
    linkMode: 'text-only',
    images: false,
    katex: false,
    htmlTags: false,
    setextHeadings: false,
    comparisonOperators: false,
    singleTilde: false,
  });
  return { text: shown.slice(0, begin) + closed, formulaOpen: false };
}

/** What closes a formula that is begun and, unlike one in dollars, can be nothing else; null when there is none. */
function openFormula(text: string): string | null {
  const begun: [string, string][] = [
    ['\\(', '\\)'],
    ['\\[', '\\]'],
  ];
  for (const [open, close] of begun) {
    const at = text.lastIndexOf(open);
    if (at >= 0 && text.indexOf(close, at) < 0 && text.length > at + open.length) return close;
  }
  return null;
}

/** The runs of the last text without the signs at its end that nothing follows yet. */
export function withoutBareSigns(runs: Runs): Runs {
  const last = runs[runs.length - 1];
  if (last?.type !== 'text' || last.code) return runs;
  const text = last.text.replace(BARE_SIGNS, '');
  if (text === last.text) return runs;
  const rest: Run[] = runs.slice(0, -1);
  return text ? [...rest, { ...last, text }] : rest;
}

/** Whether a fence, of these lines, is still open. */
export function isFenceOpen(lines: readonly string[], markup: string): boolean {
  const last = (lines[lines.length - 1] ?? '').replace(QUOTE_SIGNS, '').trimEnd();
  const sign = markup.charAt(0);
  const closes = last.length >= markup.length && [...last].every((each) => each === sign);
  return lines.length < 2 || !closes;
}
