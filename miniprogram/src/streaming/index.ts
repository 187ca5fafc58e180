/** The streaming core: asks turns and follows them through whatever the network does. */

export { FrameBatcher, frameScheduler } from './frameBatcher';
export type { Batch, FrameScheduler } from './frameBatcher';
export { RequestQueue } from './requestQueue';
export type { Release } from './requestQueue';
export * from './types';

// Follows in the next commits: `openTurn: OpenTurn`, for the platform that runs, and
// `createOpenTurn(environment): OpenTurn`, for tests and for owners who deploy to WeChat Cloud Run.
