/**
 * Markdown that grows. Blocks that nothing can change any more are parsed once and kept; with each frame only the last one
 * is parsed again, and of it only the texts that changed.
 *
 * A block is settled when another one has begun behind it on a line that is complete: CommonMark decides by lines, and
 * never opens a block again. Two things reach further: a definition of a link changes texts before it, and a formula
 * that is still open may turn out to be none.
 */

import { blocksOf, markOpen } from './blocks';
import type { InlineParser } from './blocks';
import { OPEN } from './formulas';
import type { Block, Runs } from './nodes';
import { closedText, isFenceOpen, shownEnd, withoutBareSigns } from './provisional';
import { runsOf } from './runs';
import { blockTokens, inlineTokens, normalized } from './syntax';
import type { References } from './syntax';
import type { Token } from './tokens';

/** The blocks of a whole text. */
export function parseMarkdown(text: string): readonly Block[] {
  const references: References = {};
  const tokens = blockTokens(normalized(text), references);
  return blocksOf(tokens, (token) => runsOf(inlineTokens(token.content, references)));
}

export class MarkdownStream {
  private text = '';
  // Whether the text ends in a carriage return, which may be half of a line end.
  private heldReturn = '';
  private settledChars = 0;
  private settled: Block[] = [];
  private references: References = {};
  private remembered = new Map<string, Runs>();
  private hasNewLine = false;
  // The last complete line is within code or a formula.
  private verbatim = false;

  /** Takes more of the text. */
  append(more: string): void {
    const text = this.heldReturn + more;
    this.heldReturn = text.endsWith('\r') ? '\r' : '';
    const taken = normalized(this.heldReturn ? text.slice(0, -1) : text);
    this.text += taken;
    this.hasNewLine = this.hasNewLine || taken.includes('\n');
  }

  /** The blocks so far, as they are shown while more is to come. Settled ones are the same objects as before. */
  blocks(): readonly Block[] {
    this.settle();
    const text = shownEnd(this.text.slice(this.settledChars), this.verbatim);
    const references = { ...this.references };
    const tokens = blockTokens(text, references);
    const last = openToken(tokens, text);
    const tail = blocksOf(tokens, this.remembering(references, last));
    return [...this.settled, ...tail];
  }

  /** The blocks of the whole text, as `parseMarkdown` answers them. */
  finish(): readonly Block[] {
    this.text += this.heldReturn ? '\n' : '';
    this.heldReturn = '';
    const tail = this.text.slice(this.settledChars);
    this.settleTo(this.text.length, blockTokens(tail, { ...this.references }));
    return this.settled;
  }

  private settle(): void {
    if (!this.hasNewLine) return;
    this.hasNewLine = false;
    const lines = this.text.slice(this.settledChars, this.text.lastIndexOf('\n') + 1);
    const tokens = blockTokens(lines, { ...this.references });
    const tops = tokens.filter(({ level, nesting, map }) => level === 0 && nesting >= 0 && map !== null);
    const open = openToken(tokens, lines);
    this.verbatim = open !== null && open.type !== 'inline';
    // The block before an open formula may turn out to go on with it.
    const kept = tops[tops.length - 1]?.info === OPEN ? 2 : 1;
    const first = tops[tops.length - kept];
    if (first === undefined || first === tops[0]) return;
    const chars = offsetOfLine(lines, first.map?.[0] ?? 0);
    this.settleTo(this.settledChars + chars, tokens.slice(0, tokens.indexOf(first)));
  }

  /** Settles the text up to a place; the tokens are those between what was settled before and there. */
  private settleTo(chars: number, tokens: readonly Token[]): void {
    const references = { ...this.references };
    // A formula that was decided to be none would, at the end of a text, look like one that is open.
    const end = chars < this.text.length ? '\n' : '';
    const text = this.text.slice(this.settledChars, chars);
    // Most texts define nothing, and need not be looked through again.
    if (text.includes(']:')) blockTokens(text + end, references);
    this.settledChars = chars;
    if (Object.keys(references).length > Object.keys(this.references).length) {
      this.references = references;
      this.remembered.clear();
      const whole = blockTokens(this.text.slice(0, chars) + end, {});
      this.settled = blocksOf(whole, this.parsing(references));
    } else {
      this.settled.push(...blocksOf(tokens, this.parsing(references)));
    }
  }

  private parsing(references: References): InlineParser {
    return ({ content }) => this.remembered.get(content) ?? runsOf(inlineTokens(content, references));
  }

  /** Parses the texts of the last block; those of the frame before that did not change are the same objects. */
  private remembering(references: References, open: Token | null): InlineParser {
    const before = this.remembered;
    const now = new Map<string, Runs>();
    this.remembered = now;
    // Definitions that may be half typed: nothing may be kept that was parsed with them.
    const certain = Object.keys(references).length === Object.keys(this.references).length;
    return (token) => {
      if (token === open) return openRuns(token.content, references);
      const runs = before.get(token.content) ?? runsOf(inlineTokens(token.content, references));
      if (certain) now.set(token.content, runs);
      return runs;
    };
  }
}

function openRuns(content: string, references: References): Runs {
  const { text, formulaOpen } = closedText(content);
  const runs = withoutBareSigns(runsOf(inlineTokens(text, references)));
  const last = runs[runs.length - 1];
  return formulaOpen && last?.type === 'formula' ? [...runs.slice(0, -1), { ...last, open: true }] : runs;
}

/** The token that more may be added to, marked so: a text, or code or a formula that is not closed; null when none. */
function openToken(tokens: readonly Token[], text: string): Token | null {
  const last = [...tokens].reverse().find(({ nesting }) => nesting >= 0);
  // An item that holds nothing yet.
  if (last === undefined || last.nesting > 0) return null;
  if (last.type === 'inline') return last;
  const lines = text.split('\n').slice(...(last.map ?? [0, 0]));
  const open = last.type === 'fence' ? isFenceOpen(lines, last.markup) : last.info === OPEN;
  if (!open) return null;
  markOpen(last);
  return last;
}

function offsetOfLine(text: string, line: number): number {
  let offset = 0;
  for (let passed = 0; passed < line; passed += 1) offset = text.indexOf('\n', offset) + 1;
  return offset;
}
