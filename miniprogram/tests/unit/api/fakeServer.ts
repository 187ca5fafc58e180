/** What is sent, and what a test answers to it. */

import type { Answer, Call, Send } from '../../../src/api/send';

export class FakeServer {
  readonly calls: Call[] = [];
  answer: (call: Call, number: number) => Partial<Answer> | Promise<Partial<Answer>> = () => ({});

  readonly send: Send = async (call) => {
    const number = this.calls.push(call) - 1;
    return { status: 200, headers: {}, body: {}, ...(await this.answer(call, number)) };
  };

  /** The bearer tokens, by request. */
  get bearers(): (string | undefined)[] {
    return this.calls.map(({ headers }) => headers.Authorization?.replace('Bearer ', ''));
  }
}

export function refusal(status: number, code: string, message = ''): Partial<Answer> {
  return { status, body: { error: { code, message, type: 'some_error', param: null } } };
}

export function noNetwork(): never {
  throw new Error('request:fail');
}
