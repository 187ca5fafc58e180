/** What a page's bar must leave free: the status line, and the capsule with which WeChat closes a mini-program. */

export interface BarSpace {
  topPx: number;
  rightPx: number;
}

export function barSpace(): BarSpace {
  let space: BarSpace = { topPx: 0, rightPx: 4 };
  // #ifdef MP-WEIXIN
  const { statusBarHeight, windowWidth } = uni.getSystemInfoSync();
  const capsule = uni.getMenuButtonBoundingClientRect();
  space = { topPx: statusBarHeight ?? 0, rightPx: capsule.width ? windowWidth - capsule.left + 4 : 4 };
  // #endif
  return space;
}
