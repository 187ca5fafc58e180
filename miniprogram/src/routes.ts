/** The app's pages, by name. */

const PATHS = {
  chat: '/pages/chat/chat',
  welcome: '/pages/welcome/welcome',
  conversations: '/pages/conversations/conversations',
  wallet: '/pages/wallet/wallet',
  pay: '/pages/wallet/pay',
  orders: '/pages/wallet/orders',
  usage: '/pages/wallet/usage',
  settings: '/pages/settings/settings',
  about: '/pages/about/about',
} as const;

export type PageName = keyof typeof PATHS;

/** Opens a page over the present one. */
export function go(name: PageName, query: Readonly<Record<string, string>> = {}): void {
  uni.navigateTo({ url: urlOf(name, query) });
}

/** Opens a page in place of all others. */
export function replace(name: PageName): void {
  uni.reLaunch({ url: PATHS[name] });
}

/** Back to the page before, or to the chat when there is none: a page can be opened by its address. */
export function back(): void {
  if (getCurrentPages().length > 1) uni.navigateBack();
  else replace('chat');
}

function urlOf(name: PageName, query: Readonly<Record<string, string>>): string {
  const parts = Object.entries(query).map(([key, value]) => `${key}=${encodeURIComponent(value)}`);
  return PATHS[name] + (parts.length ? `?${parts.join('&')}` : '');
}
