/** A phone: runs the built mini-program in jsdom, with the `wx` of a test. */

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { JSDOM } from 'jsdom';
import type * as Simulate from 'miniprogram-simulate';
import { FakeWx } from '../unit/streaming/fakeWx';
import { Screen } from './screen';

const load = createRequire(import.meta.url);
const DOM_GLOBALS = ['window', 'document', 'navigator', 'Node', 'Element', 'HTMLElement', 'Event', 'CustomEvent', 'Text'];

interface App {
  onLaunch(options: object): void;
}

/** A way to pay that the app opened; the test says how it ended. */
export interface Payment {
  by: 'requestPayment' | 'requestVirtualPayment';
  options: { success(): void; fail(failure: { errMsg: string }): void; [parameter: string]: unknown };
}

interface LoginOptions {
  success(result: { code: string }): void;
  fail(failure: { errMsg: string }): void;
}

export class Device {
  readonly wx = new FakeWx();
  /** What is kept on the phone. */
  readonly kept: Map<string, string>;
  readonly payments: Payment[] = [];
  readonly toasts: string[] = [];
  clipboard = '';
  /** What the app could not do, as its console has it. */
  readonly errors: unknown[][] = [];
  /** What `wx.login` answers. */
  onLogin: (options: LoginOptions) => void = ({ success }) => success({ code: 'code-1' });
  private readonly simulate: typeof Simulate;
  private readonly ids = new Map<string, string>();
  private readonly screens: Screen[] = [];

  /**
   * Installs the app and opens it.
   *
   * @param folder of the built mini-program.
   * @param kept on the phone since it was opened before.
   */
  constructor(
    private readonly folder: string,
    kept: Readonly<Record<string, string>> = {},
    private readonly platform: 'android' | 'ios' = 'android',
  ) {
    this.kept = new Map(Object.entries(kept));
    const { window } = new JSDOM('<!DOCTYPE html><body></body>');
    const scope = window as unknown as Record<string, unknown>;
    DOM_GLOBALS.forEach((name) => define(name, name === 'window' ? window : scope[name]));
    // It looks for a document when it is loaded.
    this.simulate = load('miniprogram-simulate') as typeof Simulate;
    console.error = (...words: unknown[]) => void this.errors.push(words);
    // The app copies `wx` when it is loaded.
    define('wx', Object.assign((globalThis as { wx?: object }).wx ?? {}, this.system(), this.api(), this.navigation()));
    let app: App = { onLaunch: () => {} };
    define('App', (options: App) => {
      app = options;
    });
    define('getApp', () => app);
    define('getCurrentPages', () => this.screens.map(({ instance }) => instance));
    define('Page', () => {});
    load(join(folder, 'app.js'));
    app.onLaunch({});
    this.push('/pages/chat/chat');
  }

  /** The page on top of the others. */
  get screen(): Screen {
    const top = this.screens[this.screens.length - 1];
    if (top === undefined) throw new Error('No page is open.');
    return top;
  }

  /** The pages that are open, by their paths, the one on top last. */
  get open(): string[] {
    return this.screens.map(({ path }) => path);
  }

  /** Opens a page over the present one, as `/pages/wallet/pay?order=1`. */
  push(url: string): void {
    const [address = '', search = ''] = url.split('?');
    const path = address.replace(/^\//, '');
    // As WeChat does, which decodes nothing.
    const query = Object.fromEntries(search.split('&').filter(Boolean).map((each) => each.split('=') as [string, string]));
    this.screens[this.screens.length - 1]?.hide();
    this.screens.push(new Screen(path, this.simulate.render(this.idOf(path)), query));
  }

  /** Goes back over so many pages. */
  back(delta = 1): void {
    this.screens.splice(Math.max(1, this.screens.length - delta)).reverse().forEach((screen) => screen.close());
    this.screen.show();
  }

  private idOf(path: string): string {
    const known = this.ids.get(path);
    if (known !== undefined) return known;
    const id = this.simulate.load(join(this.folder, path), 'page', { less: false, rootPath: this.folder });
    this.ids.set(path, id);
    return id;
  }

  private restart(url: string): void {
    this.screens.splice(0).reverse().forEach((screen) => screen.close());
    this.push(url);
  }

  private system(): object {
    const base = { language: 'zh_CN', SDKVersion: '3.5.0', theme: 'light', hostName: 'WeChat' };
    const device = { platform: this.platform, brand: 'a', model: 'b', system: 'c 1' };
    const place = { windowWidth: 375, windowHeight: 812, screenWidth: 375, screenHeight: 812, statusBarHeight: 20, safeAreaInsets: {} };
    return {
      canIUse: () => true,
      getAppBaseInfo: () => base,
      getDeviceInfo: () => device,
      getWindowInfo: () => place,
      getSystemInfoSync: () => ({ ...base, ...device, ...place }),
      getSystemInfo: ({ success }: { success(info: object): void }) => success({ ...base, ...device, ...place }),
      getMenuButtonBoundingClientRect: () => ({ width: 87, left: 281 }),
      getLaunchOptionsSync: () => ({}),
      getEnterOptionsSync: () => ({}),
      getStorageSync: (key: string) => this.kept.get(key) ?? '',
      setStorageSync: (key: string, value: string) => this.kept.set(key, value),
      removeStorageSync: (key: string) => this.kept.delete(key),
      onWindowResize: () => {},
      offWindowResize: () => {},
      onThemeChange: () => {},
    };
  }

  private api(): object {
    const { wx } = this;
    const pays = (by: Payment['by']) => (options: Payment['options']) => void this.payments.push({ by, options });
    return {
      request: wx.request.bind(wx),
      connectSocket: wx.connectSocket.bind(wx),
      onAppShow: wx.onAppShow.bind(wx),
      onAppHide: wx.onAppHide.bind(wx),
      onNetworkStatusChange: wx.onNetworkStatusChange.bind(wx),
      login: (options: LoginOptions) => this.onLogin(options),
      requestPayment: pays('requestPayment'),
      requestVirtualPayment: pays('requestVirtualPayment'),
      showToast: ({ title }: { title: string }) => this.toasts.push(title),
      setClipboardData: ({ data, success }: { data: string; success?(): void }) => {
        this.clipboard = data;
        success?.();
      },
    };
  }

  private navigation(): object {
    // A page changes after what asked for it has ended.
    const later = (change: () => void) => queueMicrotask(change);
    return {
      navigateTo: ({ url }: { url: string }) => later(() => this.push(url)),
      reLaunch: ({ url }: { url: string }) => later(() => this.restart(url)),
      navigateBack: ({ delta }: { delta?: number } = {}) => later(() => this.back(delta)),
    };
  }
}

function define(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}
