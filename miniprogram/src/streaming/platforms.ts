/** The environment of each platform: its ways to the server, the best first, and its life. */

import { ChannelLadder } from './channel';
import type { Environment, Lifecycle } from './environment';
import { PATIENCE } from './environment';
import { HttpChannel } from './httpChannel';
import { browserLifecycle, wechatLifecycle } from './lifecycles';
import { RequestQueue } from './requestQueue';
import { SocketChannel } from './socketChannel';
import { FetchTransport } from './transports/browserFetch';
import { BrowserSocketTransport, ContainerSocketTransport, WechatSocketTransport } from './transports/sockets';
import type { WechatApi } from './transports/wechatApi';
import { ContainerTransport, WechatRequestTransport } from './transports/wechatRequest';

/** Where a service of WeChat Cloud Run is. */
export interface CloudRunPlace {
  env: string;
  service: string;
}

/** A mini-program that speaks to a registered domain: chunks, else a WebSocket, else whole answers. */
export function wechatEnvironment(api: WechatApi): Environment {
  const ladder = new ChannelLadder([
    new HttpChannel(new WechatRequestTransport(api, true)),
    new SocketChannel(new WechatSocketTransport(api)),
    new HttpChannel(new WechatRequestTransport(api, false)),
  ]);
  return environment(ladder, wechatLifecycle(api));
}

/** A mini-program whose server runs on WeChat Cloud Run. `baseUrl` of requests is "". */
export function cloudRunEnvironment(api: WechatApi, place: CloudRunPlace): Environment {
  if (!api.cloud) throw new Error('WeChat Cloud Run needs base library 2.23.0 or newer, and wx.cloud.init first.');
  const ladder = new ChannelLadder([
    new SocketChannel(new ContainerSocketTransport(api.cloud, place)),
    new HttpChannel(new ContainerTransport(api.cloud, place)),
  ]);
  return environment(ladder, wechatLifecycle(api));
}

/** A page. */
export function browserEnvironment(page: Window & typeof globalThis): Environment {
  const ladder = new ChannelLadder([
    new HttpChannel(new FetchTransport(page.fetch.bind(page))),
    new SocketChannel(new BrowserSocketTransport(page.WebSocket, page.location.origin)),
  ]);
  return environment(ladder, browserLifecycle(page));
}

function environment(channels: ChannelLadder, lifecycle: Lifecycle): Environment {
  return { channels, lifecycle, queue: new RequestQueue(), patience: PATIENCE, random: Math.random };
}
