/** Text within a block, as runs of one look each. Pure. */

import type { Run, Runs, TextRun } from './nodes';
import type { Token } from './tokens';

type Look = Omit<TextRun, 'type' | 'text'>;

const FLAGS: Readonly<Record<string, 'strong' | 'em' | 'strike'>> = {
  strong_open: 'strong',
  em_open: 'em',
  s_open: 'strike',
};

/** The runs of the tokens of a text. */
export function runsOf(tokens: readonly Token[]): Runs {
  const runs: Run[] = [];
  const looks: Look[] = [{}];
  for (const token of tokens) {
    const look = looks[looks.length - 1] as Look;
    if (token.nesting > 0) looks.push(entered(look, token));
    else if (token.nesting < 0) looks.pop();
    else add(runs, runOf(token, look));
  }
  return runs;
}

function entered(look: Look, token: Token): Look {
  const flag = FLAGS[token.type];
  if (flag) return { ...look, [flag]: true };
  const href = token.type === 'link_open' ? token.attrGet('href') : null;
  return href ? { ...look, href } : look;
}

function runOf(token: Token, look: Look): Run {
  switch (token.type) {
    case 'code_inline':
      return { type: 'text', text: token.content, ...look, code: true };
    case 'softbreak':
    case 'hardbreak':
      return { type: 'break' };
    case 'image':
      return { type: 'image', src: token.attrGet('src') ?? '', alt: token.content };
    case 'formula':
      return { type: 'formula', tex: token.content, display: token.block, open: false };
    default:
      return { type: 'text', text: token.content, ...look };
  }
}

function add(runs: Run[], run: Run): void {
  const last = runs[runs.length - 1];
  if (run.type === 'text' && run.text === '') return;
  if (run.type === 'text' && last?.type === 'text' && sameLook(last, run)) {
    runs[runs.length - 1] = { ...last, text: last.text + run.text };
  } else {
    runs.push(run);
  }
}

function sameLook(one: TextRun, two: TextRun): boolean {
  return (
    one.strong === two.strong &&
    one.em === two.em &&
    one.strike === two.strike &&
    one.code === two.code &&
    one.href === two.href
  );
}
