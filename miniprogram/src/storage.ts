/** What is kept on the device; full or forbidden storage costs comfort, never the app. */

import type { Storage } from './api/session';

export const deviceStorage: Storage = {
  get(key) {
    try {
      const value: unknown = uni.getStorageSync(key);
      return typeof value === 'string' ? value : '';
    } catch {
      return '';
    }
  },
  set(key, value) {
    try {
      uni.setStorageSync(key, value);
    } catch {
      // It is asked for again the next time.
    }
  },
  remove(key) {
    try {
      uni.removeStorageSync(key);
    } catch {
      // Nothing was kept.
    }
  },
};
