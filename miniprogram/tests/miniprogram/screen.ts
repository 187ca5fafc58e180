/** A page on a phone, as a person finds their way in it: by what things say, and by what screen readers say of them. */

import type { PageInstance, SimulatedPage } from 'miniprogram-simulate';

/** What the simulator keeps beside an element of the page. */
type Drawn = Element & { __wxElement?: { _vt?: { attrs?: { name: string; value: unknown }[] } } };

export class Screen {
  private readonly ground: Element;

  constructor(
    readonly path: string,
    private readonly page: SimulatedPage,
    query: Record<string, string>,
  ) {
    this.ground = document.body.appendChild(document.createElement('div'));
    page.attach(this.ground);
    this.instance.route = path;
    this.instance.onLoad?.(query);
    this.show();
  }

  get instance(): PageInstance {
    return this.page.instance;
  }

  show(): void {
    this.instance.onShow?.();
  }

  hide(): void {
    this.instance.onHide?.();
  }

  close(): void {
    this.instance.onUnload?.();
    this.page.detach();
    this.ground.remove();
  }

  /** All that is to be read. */
  get text(): string {
    return this.ground.textContent ?? '';
  }

  /** The texts of all elements with this class, of whatever component. */
  texts(name: string): string[] {
    const own = (element: Element) => [...element.classList].some((each) => each === name || each.endsWith(`--${name}`));
    return this.elements().filter(own).map((element) => element.textContent ?? '');
  }

  /** Whether something has this name, or says just this. */
  has(name: string): boolean {
    return this.named(name).length > 0;
  }

  /** Presses what has this name, or says just this; the last one, where there are more. */
  press(name: string): void {
    this.page.dispatchEvent.call({ dom: this.only(name) }, 'tap');
  }

  /** Types into the field of this name. */
  type(name: string, value: string): void {
    this.page.dispatchEvent.call({ dom: this.only(name) }, 'input', { detail: { value } });
  }

  /** Something that a screen reader says of what has this name, as `ariaChecked`. */
  said(name: string, attribute: string): unknown {
    return attributeOf(this.only(name), attribute);
  }

  private only(name: string): Element {
    const found = this.named(name);
    const last = found[found.length - 1];
    if (last === undefined) throw new Error(`Nothing on ${this.path} is called ${name}; it says: ${this.text}`);
    return last;
  }

  private named(name: string): Element[] {
    const labelled = this.elements().filter((element) => attributeOf(element, 'ariaLabel') === name);
    if (labelled.length) return labelled;
    // Who presses a text presses the button that it stands on.
    return this.elements()
      .filter((element) => element.textContent === name)
      .map((element) => this.pressable(element) ?? element);
  }

  private pressable(element: Element): Element | null {
    for (let at: Element | null = element; at && at !== this.ground; at = at.parentElement) {
      if (attributeOf(at, 'role') && attributeOf(at, 'tabindex') !== undefined) return at;
    }
    return null;
  }

  private elements(): Element[] {
    return [...this.ground.querySelectorAll('*')];
  }
}

function attributeOf(element: Drawn, name: string): unknown {
  return element.__wxElement?._vt?.attrs?.find((each) => each.name === name)?.value;
}
