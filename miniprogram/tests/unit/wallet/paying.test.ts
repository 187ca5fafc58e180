/** By which way a device can pay. */

import { describe, expect, it } from 'vitest';
import type { Channel, Policy } from '../../../src/api/shapes';
import { usableChannel } from '../../../src/wallet/paying';

const ALL: readonly Channel[] = ['native', 'jsapi_v2', 'jsapi', 'virtual'];

describe('the way to pay', () => {
  it.each<[string, Policy['purchase'], readonly Channel[], Channel | null]>([
    ['h5', 'any', ALL, 'native'],
    ['h5', 'virtual', ALL, null],
    ['h5', 'any', ['jsapi', 'virtual'], null],
    ['mp-android', 'any', ALL, 'virtual'],
    ['mp-android', 'any', ['native', 'jsapi_v2', 'jsapi'], 'jsapi'],
    ['mp-android', 'any', ['jsapi_v2'], 'jsapi_v2'],
    ['mp-android', 'any', ['native'], null],
    ['mp-android', 'virtual', ['jsapi', 'virtual'], 'virtual'],
    ['mp-ios', 'virtual', ['jsapi', 'virtual'], 'virtual'],
    ['mp-ios', 'virtual', ['jsapi'], null],
    ['something-else', 'any', ALL, 'native'],
    ['h5', 'any', [], null],
  ])('of %s where %s may be bought, and %j is offered, is %s', (client, purchase, configured, channel) => {
    expect(usableChannel(configured, purchase, client)).toBe(channel);
  });

  it.each(['h5', 'mp-android', 'mp-ios'])('of %s is none where the platform forbids it', (client) => {
    expect(usableChannel(ALL, 'none', client)).toBeNull();
  });
});
