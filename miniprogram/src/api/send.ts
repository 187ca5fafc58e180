/** One HTTP request over what the platform has. */

import type { CloudRunPlace } from '@/streaming';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Call {
  method: Method;
  /** From the slash on. */
  path: string;
  headers: Record<string, string>;
  body?: unknown;
  /** The answer is a file. */
  binary?: boolean;
}

export interface Answer {
  status: number;
  /** By lower-case name. */
  headers: Record<string, string>;
  /** Parsed JSON, or an ArrayBuffer for a file. */
  body: unknown;
}

/** Resolves with any answer, whatever its status; rejects when there is none. */
export type Send = (call: Call) => Promise<Answer>;

const TIMEOUT_MS = 20_000;

interface RawAnswer {
  statusCode: number;
  header: Record<string, string>;
  data: unknown;
}

/** Sends by `uni.request`. @param baseUrl without a slash at its end; "" asks the page's own origin. */
export function uniSend(baseUrl: string): Send {
  return (call) =>
    new Promise((resolve, reject) => {
      uni.request({
        url: baseUrl + call.path,
        timeout: TIMEOUT_MS,
        ...wired(call),
        success: (answer) => resolve(answerOf(answer as unknown as RawAnswer)),
        fail: ({ errMsg }) => reject(new Error(errMsg)),
      });
    });
}

interface CloudApi {
  callContainer(options: object): unknown;
}

/** Sends to a service of WeChat Cloud Run, which says by itself who asks. */
export function cloudSend(cloud: CloudApi, place: CloudRunPlace): Send {
  return (call) =>
    new Promise((resolve, reject) => {
      const { header, ...wire } = wired(call);
      cloud.callContainer({
        config: { env: place.env },
        path: call.path,
        header: { ...header, 'X-WX-SERVICE': place.service },
        timeout: TIMEOUT_MS,
        ...wire,
        success: (answer: RawAnswer) => resolve(answerOf(answer)),
        fail: ({ errMsg }: { errMsg: string }) => reject(new Error(errMsg)),
      });
    });
}

function wired({ method, headers, body, binary }: Call) {
  const header: Record<string, string> = { ...headers };
  let sent = method;
  // #ifdef MP-WEIXIN
  if (method === 'PATCH') {
    // wx.request knows no PATCH.
    header['X-HTTP-Method-Override'] = 'PATCH';
    sent = 'POST';
  }
  // #endif
  if (body !== undefined) header['Content-Type'] = 'application/json';
  return {
    method: sent as 'GET',
    header,
    data: body as string | object | undefined,
    ...(binary ? { responseType: 'arraybuffer' } : {}),
  };
}

function answerOf({ statusCode, header, data }: RawAnswer): Answer {
  const headers: Record<string, string> = {};
  for (const name of Object.keys(header ?? {})) headers[name.toLowerCase()] = String(header[name]);
  return { status: statusCode, headers, body: data };
}
