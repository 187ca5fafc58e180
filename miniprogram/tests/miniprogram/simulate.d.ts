/** What of miniprogram-simulate is used; it brings no types of its own. */
declare module 'miniprogram-simulate' {
  export interface SimulatedElement {
    dom?: Element;
    dispatchEvent(name: string, options?: { detail?: object }): void;
    querySelector(selector: string): SimulatedElement | undefined;
  }

  export interface SimulatedPage extends SimulatedElement {
    attach(parent: Element): void;
    detach(): void;
  }

  export function load(path: string, tagName: string, options?: { less?: boolean }): string;
  export function render(id: string): SimulatedPage;
}

declare module 'jsdom' {
  export class JSDOM {
    constructor(html: string);
    readonly window: Window & typeof globalThis;
  }
}
