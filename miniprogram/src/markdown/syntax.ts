/**
 * The Markdown that is understood: CommonMark with tables, strikethrough, bare links, formulas, and emphasis that works
 * beside Chinese punctuation. No HTML, and links to http and https alone.
 */

import MarkdownIt from 'markdown-it';
import cjkFriendly from 'markdown-it-cjk-friendly';
import { formulas } from './formulas';
import type { Token } from './tokens';

/** The link definitions of a document by label. */
export type References = Record<string, { href: string; title: string }>;

const md = new MarkdownIt({ html: false, linkify: true, breaks: true, typographer: false })
  .use(cjkFriendly)
  .use(formulas);

// Only addresses that are written as such: `example.com` may be the end of one sentence and the beginning of the next.
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
md.linkify.add('ftp:', null).add('//', null).add('mailto:', null);
md.validateLink = (url) => /^https?:\/\//i.test(url.trim());

/** Line ends and null characters as CommonMark wants them. */
export function normalized(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(/\0/g, '\ufffd');
}

/**
 * The block tokens of normalized text; texts within are not parsed yet.
 *
 * @param references gains the definitions that the text holds; the first of a label wins.
 */
export function blockTokens(text: string, references: References): Token[] {
  const tokens: Token[] = [];
  md.block.parse(text, md, { references }, tokens);
  return tokens;
}

/** The tokens of a text within a block. */
export function inlineTokens(text: string, references: References): Token[] {
  return md.parseInline(text, { references })[0]?.children ?? [];
}
