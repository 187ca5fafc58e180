/** Code in colours: what each piece of it is, for a renderer that knows no HTML. */

import type { LanguageFn } from 'highlight.js';
import bash from 'highlight.js/lib/languages/bash';
import c from 'highlight.js/lib/languages/c';
import cpp from 'highlight.js/lib/languages/cpp';
import csharp from 'highlight.js/lib/languages/csharp';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import go from 'highlight.js/lib/languages/go';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import kotlin from 'highlight.js/lib/languages/kotlin';
import php from 'highlight.js/lib/languages/php';
import python from 'highlight.js/lib/languages/python';
import rust from 'highlight.js/lib/languages/rust';
import sql from 'highlight.js/lib/languages/sql';
import swift from 'highlight.js/lib/languages/swift';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';
import { createLowlight } from 'lowlight';

/** A piece of code; `scope` is highlight.js's class without its prefix, as `keyword` or `string`, "" for plain code. */
export interface CodeRun {
  text: string;
  scope: string;
}

const LANGUAGES: Record<string, LanguageFn> = {
  bash, c, cpp, csharp, css, diff, go, java, javascript, json, kotlin, php, python, rust, sql, swift, typescript, xml, yaml,
};
const PREFIX = 'hljs-';

/** Longer code stays plain: colours are not worth a frame that everybody sees. */
export const HIGHLIGHTED_CHARS_MAX = 20_000;

const lowlight = createLowlight(LANGUAGES);

interface Node {
  type: string;
  value?: string;
  properties?: { className?: unknown };
  children?: readonly unknown[];
}

/** The runs of a piece of code; one plain run where its language is not known. */
export function highlighted(code: string, language: string): readonly CodeRun[] {
  if (code.length > HIGHLIGHTED_CHARS_MAX || !lowlight.registered(language)) return [{ text: code, scope: '' }];
  const runs: CodeRun[] = [];
  collect(lowlight.highlight(language, code), '', runs);
  return runs;
}

function collect(node: Node, scope: string, runs: CodeRun[]): void {
  if (node.type === 'text') {
    const last = runs[runs.length - 1];
    if (last?.scope === scope) last.text += node.value ?? '';
    else runs.push({ text: node.value ?? '', scope });
    return;
  }
  const classes = node.properties?.className;
  const name: unknown = Array.isArray(classes) ? classes[0] : null;
  const own = typeof name === 'string' && name.startsWith(PREFIX) ? name.slice(PREFIX.length) : scope;
  node.children?.forEach((child) => collect(child as Node, own, runs));
}

/** While code is still being written, colours follow when so much more of it is there: not with every frame. */
const GROWTH = 1.3;
const OPEN_CHARS_MAX = 4_000;

/** The colours of one piece of code that grows. */
export class GrowingColours {
  private coloured = '';
  private runs: readonly CodeRun[] = [];
  private language = '';

  /** The runs of the code so far; what was added since it was coloured last is plain until it is coloured, too. */
  of(code: string, language: string, open: boolean): readonly CodeRun[] {
    const continues = language === this.language && this.coloured !== '' && code.startsWith(this.coloured);
    if (!continues) this.forget(language);
    const due = code.length >= this.coloured.length * GROWTH && code.length <= OPEN_CHARS_MAX;
    if ((!open && code !== this.coloured) || (open && due)) {
      this.coloured = code;
      this.runs = highlighted(code, language);
    }
    const rest = code.slice(this.coloured.length);
    return rest ? [...this.runs, { text: rest, scope: '' }] : this.runs;
  }

  private forget(language: string): void {
    this.coloured = '';
    this.runs = [];
    this.language = language;
  }
}
