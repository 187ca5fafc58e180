/** Words that Markdown needs beside its own; the app gives them in its language. */
export interface MarkdownLabels {
  copy: string;
  copied: string;
  /** A table that can be scrolled, for screen readers. */
  table: string;
  code: string;
  /** Where a link cannot be opened, its address is copied instead. */
  linkCopied: string;
  done: string;
  notDone: string;
}

export const CHINESE_LABELS: MarkdownLabels = {
  copy: '复制',
  copied: '已复制',
  table: '表格',
  code: '代码',
  linkCopied: '链接已复制，请在浏览器中打开',
  done: '已完成',
  notDone: '未完成',
};
