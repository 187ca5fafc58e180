/** The icons that screens use, of Lucide (ISC), as the text of their SVG. */

import arrowUp from 'lucide-static/icons/arrow-up.svg?raw';
import square from 'lucide-static/icons/square.svg?raw';
import copy from 'lucide-static/icons/copy.svg?raw';
import refreshCw from 'lucide-static/icons/refresh-cw.svg?raw';
import pencil from 'lucide-static/icons/pencil.svg?raw';
import thumbsUp from 'lucide-static/icons/thumbs-up.svg?raw';
import thumbsDown from 'lucide-static/icons/thumbs-down.svg?raw';
import chevronLeft from 'lucide-static/icons/chevron-left.svg?raw';
import chevronRight from 'lucide-static/icons/chevron-right.svg?raw';
import chevronDown from 'lucide-static/icons/chevron-down.svg?raw';
import menu from 'lucide-static/icons/menu.svg?raw';
import plus from 'lucide-static/icons/plus.svg?raw';
import image from 'lucide-static/icons/image.svg?raw';
import x from 'lucide-static/icons/x.svg?raw';
import search from 'lucide-static/icons/search.svg?raw';
import pin from 'lucide-static/icons/pin.svg?raw';
import pinOff from 'lucide-static/icons/pin-off.svg?raw';
import trash2 from 'lucide-static/icons/trash-2.svg?raw';
import wallet from 'lucide-static/icons/wallet.svg?raw';
import settings from 'lucide-static/icons/settings.svg?raw';
import share from 'lucide-static/icons/share.svg?raw';
import check from 'lucide-static/icons/check.svg?raw';
import wifiOff from 'lucide-static/icons/wifi-off.svg?raw';
import shield from 'lucide-static/icons/shield.svg?raw';
import circleAlert from 'lucide-static/icons/circle-alert.svg?raw';
import sparkles from 'lucide-static/icons/sparkles.svg?raw';
import ellipsis from 'lucide-static/icons/ellipsis.svg?raw';
import logOut from 'lucide-static/icons/log-out.svg?raw';
import chartColumn from 'lucide-static/icons/chart-column.svg?raw';
import receipt from 'lucide-static/icons/receipt.svg?raw';
import clock from 'lucide-static/icons/clock.svg?raw';
import play from 'lucide-static/icons/play.svg?raw';
import info from 'lucide-static/icons/info.svg?raw';
import cpu from 'lucide-static/icons/cpu.svg?raw';
import messageCircle from 'lucide-static/icons/message-circle.svg?raw';
import fileText from 'lucide-static/icons/file-text.svg?raw';

export const ICONS = {
  'arrow-up': arrowUp,
  square,
  copy,
  'refresh-cw': refreshCw,
  pencil,
  'thumbs-up': thumbsUp,
  'thumbs-down': thumbsDown,
  'chevron-left': chevronLeft,
  'chevron-right': chevronRight,
  'chevron-down': chevronDown,
  menu,
  plus,
  image,
  x,
  search,
  pin,
  'pin-off': pinOff,
  'trash-2': trash2,
  wallet,
  settings,
  share,
  check,
  'wifi-off': wifiOff,
  shield,
  'circle-alert': circleAlert,
  sparkles,
  ellipsis,
  'log-out': logOut,
  'chart-column': chartColumn,
  receipt,
  clock,
  play,
  info,
  cpu,
  'message-circle': messageCircle,
  'file-text': fileText,
} as const;

export type IconName = keyof typeof ICONS;

/** An icon as the `url()` of a mask: it takes the colour of the text around it. */
export function maskOf(name: IconName): string {
  const svg = ICONS[name].replace(/<!--.*?-->/g, '').replace(/\s+/g, ' ').replace(/"/g, "'").trim();
  return `url("data:image/svg+xml,${encodeURIComponent(svg)}")`;
}
