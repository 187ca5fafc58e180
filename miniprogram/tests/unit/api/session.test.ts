/** Whoever is logged in, on this device and for all its requests. */

import { beforeEach, describe, expect, it } from 'vitest';
import type { ApiError } from '../../../src/api/errors';
import { Http } from '../../../src/api/http';
import { Auth } from '../../../src/api/queqiao';
import { Session } from '../../../src/api/session';
import type { Answer } from '../../../src/api/send';
import { FakeServer, noNetwork, refusal } from './fakeServer';

const KEY = 'queqiao.session';
const pair = (number: number): Partial<Answer> => ({
  body: { access_token: `access-${number}`, refresh_token: `refresh-${number}`, expires_in: 7200, user: { id: 'u1' } },
});

let server: FakeServer;
let kept: Map<string, string>;
let ended: number;

beforeEach(() => {
  server = new FakeServer();
  server.answer = (_, number) => pair(number + 1);
  kept = new Map();
  ended = 0;
});

/** The session of an app that was just opened. */
function opened(): Session {
  const storage = {
    get: (key: string) => kept.get(key) ?? '',
    set: (key: string, value: string) => void kept.set(key, value),
    remove: (key: string) => void kept.delete(key),
  };
  return new Session(new Auth(new Http(server.send, null, () => ({}))), storage, () => (ended += 1));
}

async function loggedIn(): Promise<Session> {
  const session = opened();
  await session.login('code-1');
  server.calls.length = 0;
  return session;
}

const failure = (asked: Promise<unknown>) => asked.then(() => null, (error: unknown) => error as ApiError);

describe('a login', () => {
  it('sends the code of the platform, and is still there when the app is opened again', async () => {
    expect(opened().loggedIn).toBe(false);
    await opened().login('code-1');
    expect(server.calls[0]).toMatchObject({ method: 'POST', path: '/v1/auth/wechat', body: { code: 'code-1' } });
    expect(opened().loggedIn).toBe(true);
    expect(await opened().token()).toBe('access-1');
  });

  it('that is refused logs nobody in', async () => {
    server.answer = () => refusal(401, 'invalid_api_key');
    expect(await failure(opened().login('code-1'))).toMatchObject({ status: 401 });
    expect(opened().loggedIn).toBe(false);
  });

  it('ends on this device and on the server', async () => {
    const session = await loggedIn();
    await session.logout();
    expect(server.calls[0]).toMatchObject({ path: '/v1/auth/revoke', body: { refresh_token: 'refresh-1' } });
    expect([session.loggedIn, opened().loggedIn]).toEqual([false, false]);
    expect(await failure(session.token())).toMatchObject({ code: 'unauthenticated' });
  });

  it('ends on this device though the server does not hear of it', async () => {
    const session = await loggedIn();
    server.answer = noNetwork;
    await session.logout();
    expect(opened().loggedIn).toBe(false);
  });

  it.each(['', 'nonsense', 'null', '{}', '{"access_token":""}'])('is none where %j is kept', (text) => {
    kept.set(KEY, text);
    expect(opened().loggedIn).toBe(false);
  });
});

describe('a refused token', () => {
  it('is renewed once for all that ask at once, and kept', async () => {
    const session = await loggedIn();
    server.answer = () => pair(2);
    const tokens = await Promise.all([1, 2, 3].map(() => session.token('access-1')));
    expect(tokens).toEqual(['access-2', 'access-2', 'access-2']);
    expect(server.calls.map(({ path, body }) => [path, body])).toEqual([['/v1/auth/refresh', { refresh_token: 'refresh-1' }]]);
    expect(await opened().token()).toBe('access-2');
  });

  it('is not renewed for whoever was refused with an older one', async () => {
    const session = await loggedIn();
    expect(await session.token('access-0')).toBe('access-1');
    expect(server.calls).toHaveLength(0);
  });

  it('is renewed each time that it is refused, with the newest refresh token', async () => {
    const session = await loggedIn();
    server.answer = (_, number) => pair(number + 2);
    await session.token('access-1');
    expect(await session.token('access-2')).toBe('access-3');
    expect(server.calls[1]?.body).toEqual({ refresh_token: 'refresh-2' });
  });

  it('ends the session when it is renewed no more', async () => {
    const session = await loggedIn();
    server.answer = () => refusal(401, 'invalid_api_key');
    const refused = await Promise.all([1, 2].map(() => failure(session.token('access-1'))));
    expect(refused.map((error) => error?.status)).toEqual([401, 401]);
    expect([ended, session.loggedIn, opened().loggedIn]).toEqual([1, false, false]);
  });

  it.each([
    ['no network', noNetwork],
    ['a server that is being restarted', () => refusal(503, 'service_unavailable')],
    ['too many requests', () => refusal(429, 'rate_limit_exceeded')],
  ])('with %s ends nothing, and is renewed the next time', async (_, answer) => {
    const session = await loggedIn();
    server.answer = answer;
    expect(await failure(session.token('access-1'))).not.toBeNull();
    expect([ended, session.loggedIn]).toEqual([0, true]);
    server.answer = () => pair(2);
    expect(await session.token('access-1')).toBe('access-2');
  });

  it('of an API key cannot be renewed', async () => {
    const session = opened();
    await session.tryKey('sk-1', () => Promise.resolve());
    expect(await session.token()).toBe('sk-1');
    expect(await failure(session.token('sk-1'))).toMatchObject({ status: 401 });
    expect([ended, opened().loggedIn]).toEqual([1, false]);
    expect(server.calls).toHaveLength(0);
  });

  it('of a key that turns out to be none is no session, and leaves whoever tries where they are', async () => {
    const session = opened();
    const refused = failure(session.tryKey('sk-1', async () => void (await session.token('sk-1'))));
    expect(await refused).toMatchObject({ status: 401 });
    expect([ended, session.loggedIn, opened().loggedIn]).toEqual([0, false, false]);
  });

  it('renewed after the person logged out logs nobody in', async () => {
    const session = await loggedIn();
    const asked = failure(session.token('access-1'));
    await session.logout();
    expect(await asked).toMatchObject({ status: 401 });
    expect([ended, session.loggedIn, opened().loggedIn]).toEqual([0, false, false]);
  });
});
