/** The entrance: one turn, on the platform that runs. */

import type { Environment } from './environment';
import { browserEnvironment, wechatEnvironment } from './platforms';
import type { WechatApi } from './transports/wechatApi';
import { Turn } from './turn';
import type { OpenTurn } from './types';

/** Asks turns in this environment. */
export function createOpenTurn(environment: Environment): OpenTurn {
  return (request, handlers) => {
    const turn = new Turn(environment, request, handlers);
    turn.begin();
    return turn;
  };
}

// In a mini-program `wx` is a parameter of the module, not a property of anything.
declare const wx: WechatApi | undefined;

/** The environment of the platform that runs: a mini-program has `wx.request`, a page has not. */
export function platformEnvironment(): Environment {
  if (typeof wx !== 'undefined' && typeof wx.request === 'function') return wechatEnvironment(wx);
  return browserEnvironment(window);
}
