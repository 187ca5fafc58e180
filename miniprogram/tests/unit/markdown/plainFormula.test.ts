import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainFormula } from '../../../src/markdown/plainFormula';

describe('a formula as plain text', () => {
  it.each([
    ['E=mc^2', 'E=mc²'],
    ['\\frac{a+b}{2}', '(a+b)/2'],
    ['x_{12}^{n+1}', 'x₁₂ⁿ⁺¹'],
    ['\\sqrt{x^2+1}', '√(x²+1)'],
    ['\\sqrt[3]{8}', '³√8'],
    ['\\alpha \\leq \\beta', 'α ≤ β'],
    ['\\sum_{i=1}^{n} i', '∑ᵢ₌₁ⁿ i'],
    ['\\text{速度} = \\frac{\\text{路程}}{t}', '速度 = (路程)/t'],
    ['\\left( \\frac{1}{2} \\right)', '( 1/2 )'],
    ['\\begin{cases} x, & x>0 \\\\ 0, & x\\le 0 \\end{cases}', 'x, x>0\n0, x≤ 0'],
    ['\\vec{v} \\cdot \\hat{n}', 'v\u20d7 · n\u0302'],
    ['90^\\circ', '90°'],
    ['x \\in \\mathbb{R}', 'x ∈ ℝ'],
    ['\\lim_{x \\to 0} \\sin x', 'lim_(x → 0) sin x'],
    ['\\unknown{x}', '\\unknownx'],
    ['\\{1,2\\}', '{1,2}'],
  ])('%s reads %s', (tex, text) => {
    expect(plainFormula(tex)).toBe(text);
  });

  it('ends for anything, and never throws', () => {
    const sign = fc.constantFrom('\\', '{', '}', '^', '_', '[', ']', 'frac', 'sqrt', 'left', '.', 'constructor', ' ', 'x', '中');
    fc.assert(fc.property(fc.array(sign).map((all) => all.join('')), (tex) => typeof plainFormula(tex) === 'string'));
  });
});
