/** Whether the app is seen and the network is there, on each platform. */

import type { Lifecycle, Unsubscribe } from './environment';
import type { WechatApi } from './transports/wechatApi';

/** WeChat ends what has not finished 5 s after the app was hidden with `fail interrupted`. */
const WECHAT_CUT_MS = 5_000;

class Observed implements Lifecycle {
  private visible = true;
  private online = true;
  private readonly listeners = new Set<() => void>();

  constructor(readonly cutAfterMs: number | null) {}

  isVisible(): boolean {
    return this.visible;
  }

  isOnline(): boolean {
    return this.online;
  }

  subscribe(changed: () => void): Unsubscribe {
    this.listeners.add(changed);
    return () => this.listeners.delete(changed);
  }

  set(state: { visible?: boolean; online?: boolean }): void {
    this.visible = state.visible ?? this.visible;
    this.online = state.online ?? this.online;
    [...this.listeners].forEach((changed) => changed());
  }
}

export function wechatLifecycle(api: WechatApi): Lifecycle {
  const observed = new Observed(WECHAT_CUT_MS);
  api.onAppShow?.(() => observed.set({ visible: true }));
  api.onAppHide?.(() => observed.set({ visible: false }));
  api.onNetworkStatusChange?.(({ isConnected }) => observed.set({ online: isConnected }));
  return observed;
}

export function browserLifecycle(page: Window): Lifecycle {
  const observed = new Observed(null);
  observed.set({ visible: page.document.visibilityState !== 'hidden', online: page.navigator.onLine !== false });
  page.document.addEventListener('visibilitychange', () => {
    observed.set({ visible: page.document.visibilityState !== 'hidden' });
  });
  page.addEventListener('online', () => observed.set({ online: true }));
  page.addEventListener('offline', () => observed.set({ online: false }));
  return observed;
}
