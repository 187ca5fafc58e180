/** Builds the services for the platform that runs: the only place that knows all of them. */

import { Auth, Queqiao } from './api/queqiao';
import { Http } from './api/http';
import { cloudSend, uniSend } from './api/send';
import type { Send } from './api/send';
import { Session } from './api/session';
import type { Services } from './services';
import { deviceStorage } from './storage';
import { createOpenTurn } from './streaming';
import type { Environment } from './streaming';
// #ifdef H5
import { browserEnvironment } from './streaming';
// #endif
// #ifdef MP-WEIXIN
import { cloudRunEnvironment, wechatEnvironment } from './streaming';
import type { WechatApi } from './streaming/transports/wechatApi';
// #endif

/** Told at build time: see .env.example. */
const BASE_URL = (import.meta.env.VITE_BASE_URL ?? '').replace(/\/$/, '');
const CLOUD_ENV = import.meta.env.VITE_CLOUD_RUN_ENV ?? '';
const CLOUD_SERVICE = import.meta.env.VITE_CLOUD_RUN_SERVICE ?? '';

// #ifdef MP-WEIXIN
declare const wx: WechatApi & { cloud: { init(options: object): void; callContainer(options: object): unknown } };
// #endif

/**
 * @param language what the user reads now.
 * @param loggedOut is told when the server takes the session no more.
 */
export function compose(language: () => string, loggedOut: () => void): Services {
  const client = clientKind();
  const headers = () => ({ 'Accept-Language': language(), 'X-Client': client });
  let send: Send = uniSend(BASE_URL);
  let environment: Environment;
  // #ifdef H5
  // Not by looking for `wx`: uni-app defines one in browsers, too.
  environment = browserEnvironment(window);
  // #endif
  // #ifdef MP-WEIXIN
  environment = wechatEnvironment(wx);
  if (CLOUD_ENV) {
    const place = { env: CLOUD_ENV, service: CLOUD_SERVICE };
    wx.cloud.init({ env: CLOUD_ENV });
    send = cloudSend(wx.cloud, place);
    environment = cloudRunEnvironment(wx, place);
  }
  // #endif
  const session = new Session(new Auth(new Http(send, null, headers)), deviceStorage, loggedOut);
  return {
    api: new Queqiao(new Http(send, session.token, headers)),
    session,
    openTurn: createOpenTurn(environment),
    token: session.token,
    baseUrl: BASE_URL,
    headers,
    loginCode: loginCode(),
    client,
  };
}

function clientKind(): string {
  // #ifdef MP-WEIXIN
  return uni.getSystemInfoSync().platform === 'ios' ? 'mp-ios' : 'mp-android';
  // #endif
  // #ifndef MP-WEIXIN
  return 'h5';
  // #endif
}

function loginCode(): Services['loginCode'] {
  let code: Services['loginCode'] = null;
  // #ifdef MP-WEIXIN
  code = () =>
    new Promise((resolve, reject) => {
      uni.login({ provider: 'weixin', success: (result) => resolve(result.code), fail: reject });
    });
  // #endif
  // #ifdef H5
  if (import.meta.env.VITE_DEVICE_LOGIN === 'true') code = () => Promise.resolve(deviceCode());
  // #endif
  return code;
}

// #ifdef H5
/** A laptop's stand-in for WeChat takes any code, and the same code is the same person. */
function deviceCode(): string {
  const known = deviceStorage.get('queqiao.device');
  if (known) return known;
  const made = `h5-${Array.from(crypto.getRandomValues(new Uint32Array(3)), (part) => part.toString(36)).join('')}`;
  deviceStorage.set('queqiao.device', made);
  return made;
}
// #endif
