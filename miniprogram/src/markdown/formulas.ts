/** Formulas in Markdown, a plugin of markdown-it: `$…$` and `\(…\)` in text, `$$…$$` and `\[…\]` in both. */

import type MarkdownIt from 'markdown-it';
import type { BlockState, InlineState } from './tokens';

interface Delimiters {
  open: string;
  close: string;
  display: boolean;
}

const DELIMITERS: readonly Delimiters[] = [
  { open: '$$', close: '$$', display: true },
  { open: '$', close: '$', display: false },
  { open: '\\[', close: '\\]', display: true },
  { open: '\\(', close: '\\)', display: false },
];

/** Of a formula that is not closed yet, in `Token.info`. */
export const OPEN = 'open';

export function formulas(md: MarkdownIt): void {
  md.inline.ruler.before('escape', 'formula', inText);
  md.block.ruler.after('blockquote', 'formula', asBlock, { alt: ['paragraph', 'reference', 'blockquote', 'list'] });
}

function inText(state: InlineState, silent: boolean): boolean {
  const { src, pos } = state;
  const found = DELIMITERS.find(({ open }) => src.startsWith(open, pos));
  if (found === undefined) return false;
  const begin = pos + found.open.length;
  const end = closing(src, begin, state.posMax, found);
  if (end < 0) {
    if (found.open !== '$$') return false;
    // Else the second sign would open a formula of its own.
    if (!silent) state.pending += found.open;
    state.pos = begin;
    return true;
  }
  if (!silent) {
    const token = state.push('formula', '', 0);
    token.content = src.slice(begin, end).trim();
    token.block = found.display;
  }
  state.pos = end + found.close.length;
  return true;
}

/** Where the formula that begins here is closed; -1: it is none. */
function closing(src: string, begin: number, max: number, { close }: Delimiters): number {
  const money = close === '$';
  if (money && /\s/.test(src.charAt(begin))) return -1;
  for (let at = src.indexOf(close, begin); at >= 0 && at + close.length <= max; at = src.indexOf(close, at + 1)) {
    if (isEscaped(src, at)) continue;
    // `$5 and $6` are amounts of money.
    if (money && (/\s/.test(src.charAt(at - 1)) || /\d/.test(src.charAt(at + 1)))) return -1;
    return src.slice(begin, at).trim() === '' ? -1 : at;
  }
  return -1;
}

function isEscaped(src: string, at: number): boolean {
  let slashes = 0;
  while (src.charAt(at - 1 - slashes) === '\\') slashes += 1;
  return slashes % 2 === 1;
}

/**
 * A formula on lines of its own. It ends at the latest with the next empty line, which TeX allows in no formula: so that
 * signs that nobody closes cannot swallow the rest of an answer.
 */
function asBlock(state: BlockState, startLine: number, endLine: number, silent: boolean): boolean {
  const first = lineOf(state, startLine);
  const found = DELIMITERS.find(({ open, display }) => display && first.startsWith(open));
  if (found === undefined) return false;
  const lines = [first.slice(found.open.length)];
  let line = startLine;
  let closed = closes(lines[0] as string, found.close);
  // Text follows on the same line: then it is a formula in text.
  if (!closed && (lines[0] as string).includes(found.close)) return false;
  while (!closed && line + 1 < endLine && !endsBlock(state, line + 1)) {
    line += 1;
    lines.push(lineOf(state, line));
    closed = closes(lines[lines.length - 1] as string, found.close);
  }
  if (!closed && line + 1 < state.lineMax) return false;
  if (silent) return true;
  const token = state.push('formula_block', '', 0);
  const text = lines.join('\n').trimEnd();
  token.content = (closed ? text.slice(0, -found.close.length) : text).trim();
  token.info = closed ? '' : OPEN;
  token.map = [startLine, line + 1];
  state.line = line + 1;
  return true;
}

function lineOf(state: BlockState, line: number): string {
  return state.src.slice((state.bMarks[line] as number) + (state.tShift[line] as number), state.eMarks[line]);
}

function endsBlock(state: BlockState, line: number): boolean {
  return state.isEmpty(line) || (state.sCount[line] as number) < state.blkIndent;
}

function closes(line: string, close: string): boolean {
  return line.trimEnd().endsWith(close);
}
