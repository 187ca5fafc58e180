/**
 * The streaming core: asks turns and follows them through whatever the network does.
 *
 * `createOpenTurn(environment)` answers the `OpenTurn` of an app; it is made once, since its queue and what it
 * learned about the ways to the server belong to the whole app.
 */

export { FrameBatcher, frameScheduler } from './frameBatcher';
export type { Batch, FrameScheduler } from './frameBatcher';
export type { Environment } from './environment';
export { createOpenTurn } from './openTurn';
export { browserEnvironment, cloudRunEnvironment, wechatEnvironment } from './platforms';
export type { CloudRunPlace } from './platforms';
export { RequestQueue } from './requestQueue';
export type { Release } from './requestQueue';
export * from './types';
