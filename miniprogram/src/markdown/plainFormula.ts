/**
 * TeX as plain text, where nothing can set formulas: `\frac{a}{b}` is a/b, `x^2` is x², Greek is Greek. What it does not
 * know stays as it was written, so that nothing is lost. Pure.
 */

const SYMBOLS: Readonly<Record<string, string>> = {
  alpha: 'α', beta: 'β', gamma: 'γ', delta: 'δ', epsilon: 'ε', varepsilon: 'ε', zeta: 'ζ', eta: 'η', theta: 'θ',
  vartheta: 'ϑ', iota: 'ι', kappa: 'κ', lambda: 'λ', mu: 'μ', nu: 'ν', xi: 'ξ', pi: 'π', rho: 'ρ', sigma: 'σ', tau: 'τ',
  upsilon: 'υ', phi: 'φ', varphi: 'φ', chi: 'χ', psi: 'ψ', omega: 'ω', Gamma: 'Γ', Delta: 'Δ', Theta: 'Θ', Lambda: 'Λ',
  Xi: 'Ξ', Pi: 'Π', Sigma: 'Σ', Phi: 'Φ', Psi: 'Ψ', Omega: 'Ω', times: '×', div: '÷', cdot: '·', pm: '±', mp: '∓',
  leq: '≤', le: '≤', geq: '≥', ge: '≥', neq: '≠', ne: '≠', approx: '≈', equiv: '≡', sim: '∼', propto: '∝', infty: '∞',
  partial: '∂', nabla: '∇', sum: '∑', prod: '∏', int: '∫', iint: '∬', oint: '∮', to: '→', rightarrow: '→',
  leftarrow: '←', Rightarrow: '⇒', Leftarrow: '⇐', leftrightarrow: '↔', Leftrightarrow: '⇔', implies: '⇒', iff: '⇔',
  mapsto: '↦', in: '∈', notin: '∉', subset: '⊂', subseteq: '⊆', supset: '⊃', cup: '∪', cap: '∩', emptyset: '∅',
  forall: '∀', exists: '∃', neg: '¬', land: '∧', wedge: '∧', lor: '∨', vee: '∨', oplus: '⊕', otimes: '⊗', perp: '⊥',
  parallel: '∥', angle: '∠', triangle: '△', circ: '∘', degree: '°', prime: '′', dots: '…', ldots: '…', cdots: '⋯',
  vdots: '⋮', ell: 'ℓ', hbar: 'ℏ', Re: 'ℜ', Im: 'ℑ', aleph: 'ℵ', langle: '⟨', rangle: '⟩', lfloor: '⌊', rfloor: '⌋',
  lceil: '⌈', rceil: '⌉', because: '∵', therefore: '∴', quad: ' ', qquad: '  ', star: '⋆', ast: '∗', mid: '|',
  Vert: '‖', vert: '|', backslash: '\\', R: 'ℝ',
};

const SUPERSCRIPTS = signs('0123456789+-=()niabcdefghjklmoprstuvwxyz', '⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵃᵇᶜᵈᵉᶠᵍʰʲᵏˡᵐᵒᵖʳˢᵗᵘᵛʷˣʸᶻ');
const SUBSCRIPTS = signs('0123456789+-=()aehijklmnoprstuvx', '₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ');
const BLACKBOARD = signs('CHNPQRZ', 'ℂℍℕℙℚℝℤ');

// Commands that only say how their argument looks, and those that say nothing in plain text.
const TRANSPARENT = new Set([
  'text', 'mathrm', 'mathbf', 'mathit', 'mathsf', 'mathcal', 'operatorname', 'boldsymbol', 'textbf', 'mbox', 'boxed',
]);
const SILENT = new Set(['left', 'right', 'big', 'Big', 'bigg', 'Bigg', 'displaystyle', 'limits', 'nolimits', 'textstyle']);
const ACCENTS: Readonly<Record<string, string>> = {
  hat: '\u0302', bar: '\u0304', overline: '\u0305', vec: '\u20d7', tilde: '\u0303', dot: '\u0307', ddot: '\u0308',
};

/** The formula as text. */
export function plainFormula(tex: string): string {
  return new Reader(tex).all().replace(/[ \t]+/g, ' ').replace(/ ?\n ?/g, '\n').trim();
}

class Reader {
  private at = 0;

  constructor(private readonly tex: string) {}

  all(): string {
    let text = '';
    while (this.at < this.tex.length) text += this.piece();
    return text;
  }

  /** The next sign, command or group. */
  private piece(): string {
    const sign = this.tex.charAt(this.at);
    this.at += 1;
    switch (sign) {
      case '\\':
        return this.command();
      case '{':
        return this.group();
      case '}':
        return '';
      case '^':
        return raised(this.argument(), SUPERSCRIPTS, '^');
      case '_':
        return raised(this.argument(), SUBSCRIPTS, '_');
      case '&':
      case '~':
        return ' ';
      default:
        return sign;
    }
  }

  private group(): string {
    let text = '';
    while (this.at < this.tex.length && this.tex.charAt(this.at) !== '}') text += this.piece();
    this.at += 1;
    return text;
  }

  private argument(): string {
    while (this.tex.charAt(this.at) === ' ') this.at += 1;
    return this.at < this.tex.length ? this.piece() : '';
  }

  private command(): string {
    const name = /^[A-Za-z]+/.exec(this.tex.slice(this.at))?.[0] ?? '';
    if (name === '') return this.escaped();
    this.at += name.length;
    const symbol = Object.prototype.hasOwnProperty.call(SYMBOLS, name) ? SYMBOLS[name] : undefined;
    if (symbol !== undefined) return symbol;
    if (SILENT.has(name)) return this.delimiter(name);
    if (TRANSPARENT.has(name)) return this.argument();
    const accent = Object.prototype.hasOwnProperty.call(ACCENTS, name) ? ACCENTS[name] : undefined;
    if (accent !== undefined) return [...this.argument()].map((each) => each + accent).join('');
    return this.structure(name);
  }

  /** `\left.` is a bracket that is not drawn. */
  private delimiter(name: string): string {
    if ((name === 'left' || name === 'right') && this.tex.charAt(this.at) === '.') this.at += 1;
    return '';
  }

  private escaped(): string {
    const sign = this.tex.charAt(this.at);
    this.at += 1;
    if (sign === '\\') return '\n';
    if (sign === '!') return '';
    return sign === ',' || sign === ';' || sign === ':' || sign === ' ' ? ' ' : sign;
  }

  private structure(name: string): string {
    switch (name) {
      case 'frac':
      case 'dfrac':
      case 'tfrac':
        return `${bracketed(this.argument())}/${bracketed(this.argument())}`;
      case 'binom':
        return `C(${this.argument()}, ${this.argument()})`;
      case 'sqrt':
        return this.root();
      case 'mathbb':
        return [...this.argument()].map((each) => BLACKBOARD.get(each) ?? each).join('');
      case 'begin':
      case 'end':
        this.argument();
        return '';
      default:
        return /^(?:sin|cos|tan|cot|sec|csc|log|ln|lg|exp|lim|max|min|sup|inf|det|gcd|mod|arg|dim|ker|arcsin|arccos|arctan)$/.test(name)
          ? name
          : `\\${name}`;
    }
  }

  private root(): string {
    let degree = '';
    if (this.tex.charAt(this.at) === '[') {
      const end = this.tex.indexOf(']', this.at);
      degree = end < 0 ? '' : this.tex.slice(this.at + 1, end);
      this.at = end < 0 ? this.at : end + 1;
    }
    return `${degree ? raised(degree, SUPERSCRIPTS, '^') : ''}√${bracketed(this.argument())}`;
  }
}

function raised(text: string, to: ReadonlyMap<string, string>, sign: string): string {
  const small = [...text].map((each) => to.get(each));
  if (text !== '' && small.every((each) => each !== undefined)) return small.join('');
  if (sign === '^' && (text === '∘' || text === '°')) return '°';
  if (sign === '^' && /^′+$/.test(text)) return text;
  return `${sign}${bracketed(text)}`;
}

/** As one thing: brackets around what consists of several. */
function bracketed(text: string): string {
  const trimmed = text.trim();
  return [...trimmed].length <= 1 || /^(?:\d+(?:\.\d+)?|[A-Za-z]+|\(.*\))$/.test(trimmed) ? trimmed : `(${trimmed})`;
}

function signs(from: string, to: string): ReadonlyMap<string, string> {
  const targets = [...to];
  return new Map([...from].map((each, index) => [each, targets[index] as string]));
}
