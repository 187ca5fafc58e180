/** An answer as the gateway writes it on a stream: its events, their ids, and their bytes. */

export interface StreamEvent {
  id: string;
  data: string;
}

export interface Piece {
  text?: string;
  reasoning?: string;
}

export const REQUEST_ID = 'req_5c0ffee';
export const USAGE = {
  prompt_tokens: 5,
  completion_tokens: 7,
  total_tokens: 12,
  prompt_tokens_details: { cached_tokens: 2 },
  completion_tokens_details: { reasoning_tokens: 3 },
};

function chunk(choice: object, more: object = {}): string {
  return JSON.stringify({
    id: `chatcmpl-${REQUEST_ID}`,
    object: 'chat.completion.chunk',
    created: 1700000000,
    model: 'simulated',
    choices: [{ index: 0, finish_reason: null, logprobs: null, ...choice }],
    ...more,
  });
}

/** The events of an answer of these pieces; positions count characters. */
export function eventsOf(pieces: readonly Piece[], finishReason = 'stop'): StreamEvent[] {
  let position = 0;
  const events: StreamEvent[] = [{ id: '0', data: chunk({ delta: { role: 'assistant', content: '' } }) }];
  for (const { text, reasoning } of pieces) {
    position += [...(text ?? ''), ...(reasoning ?? '')].length;
    const delta = text ? { content: text } : { reasoning_content: reasoning };
    events.push({ id: String(position), data: chunk({ delta }) });
  }
  const conversation = { id: 'talk-1', question_id: '1', answer_id: '2' };
  const closing = chunk({ delta: {}, finish_reason: finishReason }, { usage: USAGE, conversation, ai_label: 'AI 生成' });
  events.push({ id: `${position}.1`, data: closing }, { id: `${position}.2`, data: '[DONE]' });
  return events;
}

export function bytesOfEvents(events: readonly StreamEvent[]): Uint8Array {
  return new TextEncoder().encode(events.map(({ id, data }) => `id: ${id}\ndata: ${data}\n\n`).join(''));
}

/** What the gateway sends to somebody who has everything up to an event. */
export function behind(events: readonly StreamEvent[], lastEventId: string): StreamEvent[] {
  const index = events.findIndex(({ id }) => id === lastEventId);
  return events.slice(index + 1);
}

export function errorBody(code: string, message: string, moderation?: object): string {
  return JSON.stringify({ error: { message, type: 'some_error', code, param: null }, ...(moderation ? { moderation } : {}) });
}
