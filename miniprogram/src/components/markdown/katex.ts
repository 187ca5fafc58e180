/** KaTeX, fetched with the first formula: an app without formulas never loads it. Only built for browsers. */

/** Answers a formula as HTML; null when KaTeX does not understand it. */
export type SetFormula = (tex: string, display: boolean) => string | null;

let loading: Promise<SetFormula | null> | null = null;

/** Resolves to null when it cannot be fetched, as offline; then the next formula tries again. */
export function loadKatex(): Promise<SetFormula | null> {
  loading ??= load().catch(() => {
    loading = null;
    return null;
  });
  return loading;
}

async function load(): Promise<SetFormula> {
  const [{ default: katex }] = await Promise.all([import('katex'), import('katex/dist/katex.min.css')]);
  return (tex, displayMode) => {
    try {
      return katex.renderToString(tex, { displayMode, throwOnError: true, trust: false, strict: 'ignore', maxExpand: 200 });
    } catch {
      return null;
    }
  };
}
