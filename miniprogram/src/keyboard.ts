/** In a browser, what looks like a button is one for the keyboard, too. */

const PRESSED_BY_KEYS = '[role=button],[role=switch],[role=radio],[role=tab],[role=link],[role=menuitem],[role=checkbox]';

/** Enter and space press whatever of these has the focus. */
export function installKeyboard(page: Document): void {
  page.addEventListener('keydown', (event) => {
    const { target } = event;
    if (event.key !== 'Enter' && event.key !== ' ') return;
    if (!(target instanceof HTMLElement) || !target.matches(PRESSED_BY_KEYS)) return;
    event.preventDefault();
    target.click();
  });
}
