/** Requests to the gateway, and what becomes of those that it refuses. */

import fc from 'fast-check';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../../../src/api/errors';
import { Http } from '../../../src/api/http';
import { Queqiao } from '../../../src/api/queqiao';
import { FakeServer, noNetwork, refusal } from './fakeServer';

let server: FakeServer;
const token = vi.fn<(refused?: string) => Promise<string>>();

beforeEach(() => {
  server = new FakeServer();
  token.mockReset().mockImplementation((refused) => Promise.resolve(refused === undefined ? 'old' : 'new'));
});

const http = () => new Http(server.send, token, () => ({ 'Accept-Language': 'zh-CN' }));
const failure = (asked: Promise<unknown>) => asked.then(() => null, (error: unknown) => error as ApiError);

describe('a request', () => {
  it('carries token, language, headers and body, and answers the body', async () => {
    server.answer = () => ({ body: { id: 'order-1' } });
    const order = await new Queqiao(http()).order('small', 'native', 'key-1');
    expect(order).toEqual({ id: 'order-1' });
    expect(server.calls).toEqual([
      {
        method: 'POST',
        path: '/v1/orders',
        headers: { Authorization: 'Bearer old', 'Accept-Language': 'zh-CN', 'Idempotency-Key': 'key-1' },
        body: { package_id: 'small', channel: 'native' },
      },
    ]);
  });

  it('asks for the language each time', async () => {
    let language = 'zh-CN';
    const asking = new Http(server.send, null, () => ({ 'Accept-Language': language }));
    await asking.request('GET', '/a');
    language = 'en';
    await asking.request('GET', '/a');
    expect(server.calls.map(({ headers }) => headers['Accept-Language'])).toEqual(['zh-CN', 'en']);
  });

  it('says that its answer is a file', async () => {
    await new Queqiao(http()).exported('talk-1', 'pdf');
    expect(server.calls[0]).toMatchObject({ path: '/v1/conversations/talk-1/export?format=pdf', binary: true });
  });

  it('tells why a file was refused, though that comes as bytes, too', async () => {
    const body = new TextEncoder().encode(JSON.stringify({ error: { code: 'not_found', message: '没有这个对话' } }));
    server.answer = () => ({ status: 404, body: body.buffer });
    const error = await failure(new Queqiao(http()).exported('talk-1', 'pdf'));
    expect(error).toMatchObject({ status: 404, code: 'not_found', message: '没有这个对话' });
    server.answer = () => ({ status: 502, body: new TextEncoder().encode('<html>').buffer });
    expect(await failure(new Queqiao(http()).exported('talk-1', 'pdf'))).toMatchObject({ status: 502, message: '' });
  });

  it('leaves out what is not asked for', async () => {
    await http().request('GET', '/a', { query: { limit: 0, after: undefined, query: '' } });
    await http().request('GET', '/a', { query: {} });
    expect(server.calls.map(({ path }) => path)).toEqual(['/a?limit=0', '/a']);
  });

  it('brings any text of a query whole to the server', async () => {
    const text = fc.fullUnicodeString({ minLength: 1 });
    await fc.assert(
      fc.asyncProperty(text, text, async (query, after) => {
        server.calls.length = 0;
        await new Queqiao(http()).conversations({ query, after });
        const asked = new URL(server.calls[0]?.path ?? '', 'https://chat.example').searchParams;
        expect([asked.get('query'), asked.get('after'), asked.get('limit')]).toEqual([query, after, '50']);
      }),
    );
  });
});

describe('a refused token', () => {
  it('is renewed once, and the request sent again as it was', async () => {
    server.answer = (_, number) => (number === 0 ? refusal(401, 'invalid_api_key') : { body: 'answered' });
    expect(await http().request('POST', '/a', { body: { a: 1 } })).toBe('answered');
    expect(server.bearers).toEqual(['old', 'new']);
    expect(server.calls[1]?.body).toEqual({ a: 1 });
    expect(token.mock.calls.map(([refused]) => refused)).toEqual([undefined, 'old']);
  });

  it('is not renewed a second time', async () => {
    server.answer = () => refusal(401, 'invalid_api_key', '请登录');
    expect(await failure(http().request('GET', '/a'))).toMatchObject({ status: 401, code: 'invalid_api_key', message: '请登录' });
    expect(server.bearers).toEqual(['old', 'new']);
  });

  it('that cannot be renewed is the error', async () => {
    server.answer = () => refusal(401, 'invalid_api_key');
    token.mockImplementation((refused) => (refused ? Promise.reject(new ApiError('connection_lost', '')) : Promise.resolve('old')));
    expect(await failure(http().request('GET', '/a'))).toMatchObject({ code: 'connection_lost' });
    expect(server.calls).toHaveLength(1);
  });

  it('is nothing that anything else is refused with', async () => {
    server.answer = () => refusal(403, 'permission_denied');
    expect(await failure(http().request('GET', '/a'))).toMatchObject({ code: 'permission_denied' });
    expect(server.calls).toHaveLength(1);
  });

  it('is not looked for where no token is needed', async () => {
    server.answer = () => refusal(401, 'invalid_api_key');
    const open = new Http(server.send, null, () => ({}));
    expect(await failure(open.request('POST', '/v1/auth/refresh'))).toMatchObject({ status: 401 });
    expect(server.bearers).toEqual([undefined]);
  });
});

describe('an error', () => {
  it('says in the words of the server what, and when again', async () => {
    server.answer = () => ({ ...refusal(429, 'rate_limit_exceeded', '慢一点'), headers: { 'retry-after': '3' } });
    const error = await failure(http().request('GET', '/a'));
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ code: 'rate_limit_exceeded', message: '慢一点', status: 429, retryAfterS: 3 });
  });

  it.each([null, '', '<html>Bad Gateway</html>', {}, { error: null }, { error: { code: 5, message: null } }])(
    'is told even of a body such as %j',
    async (body) => {
      server.answer = () => ({ status: 502, body });
      expect(await failure(http().request('GET', '/a'))).toMatchObject({ code: 'service_unavailable', message: '', retryAfterS: null });
    },
  );

  it('that is a date says nothing of seconds', async () => {
    server.answer = () => ({ status: 503, body: null, headers: { 'retry-after': 'Fri, 31 Dec 2027 23:59:59 GMT' } });
    expect(await failure(http().request('GET', '/a'))).toMatchObject({ status: 503, retryAfterS: null });
  });

  it('is a lost connection when nobody answers', async () => {
    server.answer = noNetwork;
    expect(await failure(http().request('GET', '/a'))).toMatchObject({ code: 'connection_lost', status: null });
  });

  it('is one of the login when nobody is logged in', async () => {
    token.mockImplementation(() => Promise.reject(new Error('nobody')));
    expect(await failure(http().request('GET', '/a'))).toMatchObject({ code: 'unauthenticated', status: 401 });
    expect(server.calls).toHaveLength(0);
  });
});
