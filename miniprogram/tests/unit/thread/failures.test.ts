/** Failures in words, with a way on. */

import { describe, expect, it } from 'vitest';
import { explain } from '../../../src/thread/failures';

const failing = (code: string, message = '', more: { partial?: boolean } = {}) => ({ code, message, retryAfterS: null, ...more });

describe('a failure', () => {
  it.each([
    ['insufficient_quota', 'failure.emptyWallet', 'wallet'],
    ['rate_limit_exceeded', 'failure.busy', 'retry'],
    ['service_unavailable', 'failure.unavailable', 'retry'],
    ['connection_lost', 'failure.lost', 'retry'],
    ['unauthenticated', 'failure.loggedOut', 'login'],
    ['invalid_api_key', 'failure.loggedOut', 'login'],
    ['not_found', 'failure.notFound', null],
  ])('%s has words of ours, and leads to what helps', (code, key, wayOn) => {
    expect(explain(failing(code, 'the server says so'))).toEqual({ key, text: '', wayOn });
  });

  it.each([
    ['content_policy_violation', null],
    ['permission_denied', null],
    ['invalid_request_error', null],
    ['something_new', 'retry'],
  ])('%s stands in the words of the server', (code, wayOn) => {
    expect(explain(failing(code, '提问涉及敏感话题'))).toEqual({ key: null, text: '提问涉及敏感话题', wayOn });
  });

  it.each([
    ['content_policy_violation', 'failure.refused'],
    ['permission_denied', 'failure.other'],
    ['something_new', 'failure.other'],
    ['protocol_error', 'failure.other'],
  ])('%s has words even where the server has none', (code, key) => {
    expect(explain(failing(code)).key).toBe(key);
  });

  it('of the line says that what was written stays', () => {
    expect(explain(failing('connection_lost', '', { partial: true }))).toEqual({ key: 'failure.partial', text: '', wayOn: 'retry' });
  });
});
