/** A phone: runs a built mini-program in jsdom, and gives its `wx` to the test. */

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { JSDOM } from 'jsdom';
import type * as Simulate from 'miniprogram-simulate';
import { FakeWx } from '../unit/streaming/fakeWx';

const load = createRequire(import.meta.url);
const DOM_GLOBALS = ['window', 'document', 'navigator', 'Node', 'Element', 'HTMLElement', 'Event', 'CustomEvent', 'Text'];

/** What a mini-program asks of its device when it starts. */
const DEVICE = {
  canIUse: () => true,
  getAppBaseInfo: () => ({ language: 'zh_CN', SDKVersion: '3.5.0', theme: 'light' }),
  getDeviceInfo: () => ({ platform: 'ios' }),
  getWindowInfo: () => ({ windowWidth: 375, windowHeight: 812, safeAreaInsets: {} }),
  getSystemInfoSync: () => ({ platform: 'ios', windowWidth: 375, windowHeight: 812, language: 'zh_CN', SDKVersion: '3.5.0' }),
  getLaunchOptionsSync: () => ({}),
  getEnterOptionsSync: () => ({}),
  getStorageSync: () => '',
  setStorageSync: () => {},
};

export class Device {
  readonly wx = new FakeWx();
  private readonly simulate: typeof Simulate;
  private readonly screen: Element;

  /** @param folder of the built mini-program. */
  constructor(private readonly folder: string) {
    const { window } = new JSDOM('<!DOCTYPE html><body></body>');
    const scope = window as unknown as Record<string, unknown>;
    DOM_GLOBALS.forEach((name) => define(name, name === 'window' ? window : scope[name]));
    // It looks for a document when it is loaded.
    this.simulate = load('miniprogram-simulate') as typeof Simulate;
    const known = (globalThis as { wx?: object }).wx ?? {};
    define('wx', Object.assign(known, DEVICE, this.api()));
    let app: object = {};
    define('App', (options: object) => {
      app = options;
    });
    define('getApp', () => app);
    define('getCurrentPages', () => []);
    define('Page', () => {});
    load(join(folder, 'app.js'));
    this.screen = window.document.createElement('div');
    window.document.body.appendChild(this.screen);
  }

  /** Opens a page, as `pages/chat/chat`. */
  open(path: string): Page {
    this.screen.innerHTML = '';
    const page = this.simulate.render(this.simulate.load(join(this.folder, path), 'page', { less: false }));
    page.attach(this.screen);
    return new Page(page, this.screen);
  }

  private api(): object {
    const { wx } = this;
    return {
      request: wx.request.bind(wx),
      connectSocket: wx.connectSocket.bind(wx),
      onAppShow: wx.onAppShow.bind(wx),
      onAppHide: wx.onAppHide.bind(wx),
      onNetworkStatusChange: wx.onNetworkStatusChange.bind(wx),
    };
  }
}

/** A page on the screen. */
export class Page {
  constructor(
    private readonly page: Simulate.SimulatedPage,
    private readonly screen: Element,
  ) {}

  tap(selector: string): void {
    this.element(selector).dispatchEvent('tap');
  }

  type(selector: string, value: string): void {
    this.element(selector).dispatchEvent('input', { detail: { value } });
  }

  /** The text of an element of the page itself. */
  text(selector: string): string {
    return this.element(selector).dom?.textContent ?? '';
  }

  /** The texts of all elements with this class, of whatever component. */
  texts(name: string): string[] {
    const own = (element: Element) => [...element.classList].some((each) => each === name || each.endsWith(`--${name}`));
    return [...this.screen.querySelectorAll('*')].filter(own).map((element) => element.textContent ?? '');
  }

  private element(selector: string) {
    const found = this.page.querySelector(selector);
    if (found === undefined) throw new Error(`Nothing on the page is ${selector}.`);
    return found;
  }
}

function define(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}
