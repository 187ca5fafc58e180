/** markdown-it's own types, named from what it exports under every module resolution. */

import type MarkdownIt from 'markdown-it';

export type Token = ReturnType<MarkdownIt['parse']>[number];
export type BlockState = InstanceType<MarkdownIt['block']['State']>;
export type InlineState = InstanceType<MarkdownIt['inline']['State']>;
