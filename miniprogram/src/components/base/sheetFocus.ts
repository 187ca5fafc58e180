/** Where the keyboard is while a sheet is open, and where it goes on afterwards. For H5: elsewhere there is no keyboard. */

const OPEN = '.sheet[data-open=true]';
/** What the keyboard stops at, and which of it comes first: a field to type into, then what can be pressed. */
const STOPS = 'input, textarea, [tabindex="0"]';
const FIRST = ['input, textarea', '.content [tabindex="0"]', '[tabindex="0"]'];

// What had the keyboard before the first sheet: one that opens out of another gives it back to the same.
let opener: HTMLElement | null = null;

/** A sheet opens: remembers where the keyboard was. */
export function remember(): void {
  const active = document.activeElement;
  if (active instanceof HTMLElement && !active.closest('.sheet')) opener = active;
}

/** The sheet is there: the keyboard goes on within it. */
export function enter(): void {
  const sheet = document.querySelector(OPEN);
  FIRST.map((what) => sheet?.querySelector<HTMLElement>(what)).find((found) => found)?.focus();
}

/** A sheet is gone: the keyboard goes back, unless another sheet has followed. */
export function leave(): void {
  if (!document.querySelector(OPEN)) opener?.focus();
}

/** Tab goes round within the open sheet: what lies under it is not there for the eyes either. */
export function goRound(event: KeyboardEvent): void {
  const sheet = document.querySelector(OPEN);
  if (!sheet) return;
  const stops = [...sheet.querySelectorAll<HTMLElement>(STOPS)].filter((each) => each.offsetParent !== null);
  const [first, last] = [stops[0], stops[stops.length - 1]];
  const edge = event.shiftKey ? first : last;
  if (sheet.contains(document.activeElement) && document.activeElement !== edge) return;
  event.preventDefault();
  (event.shiftKey ? last : first)?.focus();
}
