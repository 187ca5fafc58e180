/** What the device prefers. */

export type Scheme = 'light' | 'dark';

/** Tells the device's scheme now, and whenever it changes. */
export function followSystem(changed: (scheme: Scheme) => void): void {
  // #ifdef H5
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  const tell = () => changed(dark.matches ? 'dark' : 'light');
  dark.addEventListener('change', tell);
  tell();
  // #endif
  // #ifndef H5
  changed(uni.getSystemInfoSync().theme === 'dark' ? 'dark' : 'light');
  uni.onThemeChange?.(({ theme }) => changed(theme === 'dark' ? 'dark' : 'light'));
  // #endif
}
