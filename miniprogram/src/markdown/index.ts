/** Markdown as a tree that grows with its text. */

export { MarkdownStream, parseMarkdown } from './markdownStream';
export * from './nodes';
