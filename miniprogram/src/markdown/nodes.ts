/** What Markdown becomes: a small tree of plain data that every platform can draw with its own elements. */

/** Text of one look. Looks are flags instead of nesting, because a mini-program's `<text>` holds nothing but text. */
export interface TextRun {
  type: 'text';
  text: string;
  strong?: true;
  em?: true;
  strike?: true;
  code?: true;
  /** Where it leads; http or https. */
  href?: string;
}

export interface ImageRun {
  type: 'image';
  /** http or https. */
  src: string;
  alt: string;
}

/** A formula in TeX, within text; `display` wants a line of its own. */
export interface FormulaRun {
  type: 'formula';
  tex: string;
  display: boolean;
  /** More of it is to come. */
  open: boolean;
}

export interface BreakRun {
  type: 'break';
}

export type Run = TextRun | ImageRun | FormulaRun | BreakRun;
export type Runs = readonly Run[];

export interface ParagraphBlock {
  type: 'paragraph';
  runs: Runs;
}

export interface HeadingBlock {
  type: 'heading';
  /** 1 to 6. */
  level: number;
  runs: Runs;
}

export interface CodeBlock {
  type: 'code';
  /** As the author named it, in lower case; "" unnamed. */
  language: string;
  text: string;
  /** More of it is to come. */
  open: boolean;
}

export interface FormulaBlock {
  type: 'formula';
  tex: string;
  open: boolean;
}

export interface QuoteBlock {
  type: 'quote';
  blocks: readonly Block[];
}

export interface ListItem {
  /** Of a task list: whether it is done; null: no task. */
  checked: boolean | null;
  blocks: readonly Block[];
}

export interface ListBlock {
  type: 'list';
  /** The number of the first item; null: bullets. */
  start: number | null;
  /** Without space between the items. */
  tight: boolean;
  items: readonly ListItem[];
}

export type Align = 'left' | 'center' | 'right' | null;

export interface TableBlock {
  type: 'table';
  /** By column. */
  aligns: readonly Align[];
  head: readonly Runs[];
  rows: readonly (readonly Runs[])[];
}

export interface RuleBlock {
  type: 'rule';
}

export type Block =
  | ParagraphBlock
  | HeadingBlock
  | CodeBlock
  | FormulaBlock
  | QuoteBlock
  | ListBlock
  | TableBlock
  | RuleBlock;
