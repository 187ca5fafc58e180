/** What of miniprogram-simulate is used; it brings no types of its own. */
declare module 'miniprogram-simulate' {
  /** What WeChat calls on a page. */
  export interface PageInstance {
    route?: string;
    onLoad?(query: Record<string, string>): void;
    onShow?(): void;
    onHide?(): void;
    onUnload?(): void;
  }

  export interface SimulatedPage {
    readonly instance: PageInstance;
    attach(parent: Element): void;
    detach(): void;
    /** Looks at nothing but `dom` of its `this`. */
    dispatchEvent(this: { dom: Element }, name: string, options?: { detail?: object }): void;
  }

  export function load(path: string, tagName: string, options?: { less?: boolean; rootPath?: string }): string;
  export function render(id: string): SimulatedPage;
}

declare module 'jsdom' {
  export class JSDOM {
    constructor(html: string);
    readonly window: Window & typeof globalThis;
  }
}
