/** Blocks, of markdown-it's tokens. Pure. */

import type { Align, Block, CodeBlock, ListItem, Run, Runs, TableBlock, TextRun } from './nodes';
import type { Token } from './tokens';

/** Answers the runs of an `inline` token; the same text may be answered from memory. */
export type InlineParser = (token: Token) => Runs;

/** Says of a token that more of it is to come. */
export function markOpen(token: Token): void {
  token.meta = { open: true };
}

function isOpen(token: Token): boolean {
  return (token.meta as { open?: boolean } | null)?.open === true;
}

const TASK = /^\[([ xX])\] /;

/** The blocks of these tokens. */
export function blocksOf(tokens: readonly Token[], inline: InlineParser): Block[] {
  return new BlockReader(tokens, inline).blocks();
}

class BlockReader {
  private at = 0;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly inline: InlineParser,
  ) {}

  /** Blocks until this token closes them, or all. */
  blocks(closing?: string): Block[] {
    const blocks: Block[] = [];
    for (let token = this.next(); token && token.type !== closing; token = this.next()) {
      const block = this.block(token);
      if (block) blocks.push(block);
    }
    return blocks;
  }

  private next(): Token | undefined {
    const token = this.tokens[this.at];
    this.at += 1;
    return token;
  }

  private block(token: Token): Block | null {
    switch (token.type) {
      case 'paragraph_open':
        return { type: 'paragraph', runs: this.runs('paragraph_close') };
      case 'heading_open':
        return { type: 'heading', level: Number(token.tag.slice(1)), runs: this.runs('heading_close') };
      case 'fence':
      case 'code_block':
        return codeOf(token);
      case 'formula_block':
        return { type: 'formula', tex: token.content, open: isOpen(token) };
      case 'blockquote_open':
        return { type: 'quote', blocks: this.blocks('blockquote_close') };
      case 'bullet_list_open':
        return this.list('bullet_list_close', null);
      case 'ordered_list_open':
        return this.list('ordered_list_close', Number(token.attrGet('start') ?? 1));
      case 'table_open':
        return this.table();
      case 'hr':
        return { type: 'rule' };
      default:
        return null;
    }
  }

  private runs(closing: string): Runs {
    let runs: Runs = [];
    for (let token = this.next(); token && token.type !== closing; token = this.next()) {
      if (token.type === 'inline') runs = this.inline(token);
    }
    return runs;
  }

  private list(closing: string, start: number | null): Block {
    const items: ListItem[] = [];
    let tight = true;
    for (let token = this.next(); token && token.type !== closing; token = this.next()) {
      const [opening, begin] = [token, this.at];
      const blocks = this.blocks('list_item_close');
      // Paragraphs of tight lists are hidden.
      const own = this.tokens.slice(begin, this.at);
      if (own.some(({ type, hidden, level }) => type === 'paragraph_open' && !hidden && level === opening.level + 1)) {
        tight = false;
      }
      items.push(itemOf(blocks));
    }
    return { type: 'list', start, tight, items };
  }

  private table(): TableBlock {
    const aligns: Align[] = [];
    const rows: Runs[][] = [];
    for (let token = this.next(); token && token.type !== 'table_close'; token = this.next()) {
      if (token.type === 'tr_open') rows.push([]);
      if (token.type === 'th_open') aligns.push(alignOf(token));
      if (token.type === 'inline') rows[rows.length - 1]?.push(this.inline(token));
    }
    const [head = [], ...body] = rows;
    return { type: 'table', aligns, head, rows: body };
  }
}

function codeOf(token: Token): CodeBlock {
  const language = (token.info.trim().split(/\s+/)[0] ?? '').toLowerCase();
  return { type: 'code', language, text: token.content.replace(/\n$/, ''), open: isOpen(token) };
}

function alignOf(token: Token): Align {
  const found = /text-align:(left|center|right)/.exec(token.attrGet('style') ?? '');
  return found ? (found[1] as Align) : null;
}

function itemOf(blocks: Block[]): ListItem {
  const [first, ...rest] = blocks;
  const run: Run | undefined = first?.type === 'paragraph' ? first.runs[0] : undefined;
  const task = run?.type === 'text' && !run.code ? TASK.exec(run.text) : null;
  if (first?.type !== 'paragraph' || !task) return { checked: null, blocks };
  const text: TextRun = { ...(run as TextRun), text: (run as TextRun).text.slice(task[0].length) };
  const runs = text.text ? [text, ...first.runs.slice(1)] : first.runs.slice(1);
  return { checked: task[1] !== ' ', blocks: [{ type: 'paragraph', runs }, ...rest] };
}
