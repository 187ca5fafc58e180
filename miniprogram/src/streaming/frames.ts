/** The JSON frames of `/v1/ws`: the only place that knows how they look. Pure. */

import type { AskOrder, ResumeOrder } from './channel';
import { protocolError } from './chunks';
import { asNumber, asText, conversationOf, errorOf, jsonObject, usageOf } from './serverEvents';
import type { Json, ServerEvent } from './serverEvents';

export const PROTOCOL = 'queqiao.v1';
export const PING = JSON.stringify({ type: 'ping' });

export function socketUrl(baseUrl: string): string {
  return `${baseUrl.replace(/^http/, 'ws')}/v1/ws`;
}

/** `turn` is the client's own name for the turn on its socket. */
export function startFrame(turn: string, order: AskOrder): string {
  const { token, idempotencyKey, headers } = order;
  const body = { ...order.body, stream: true };
  // Undefined is left out.
  const cacheControl = headers['Cache-Control'];
  return JSON.stringify({
    type: 'start',
    id: turn,
    token,
    body,
    idempotency_key: idempotencyKey,
    cache_control: cacheControl,
  });
}

export function resumeFrame(turn: string, order: ResumeOrder): string {
  const { token, requestId, lastEventId } = order;
  return JSON.stringify({ type: 'resume', id: turn, token, request_id: requestId, last_event_id: lastEventId });
}

export function cancelFrame(turn: string): string {
  return JSON.stringify({ type: 'cancel', id: turn });
}

/** What a frame says of this turn; nothing for a pong, or for another turn. */
export function framesEvents(turn: string, text: string): ServerEvent[] {
  const frame = jsonObject(text);
  if (frame === null) return [protocolError()];
  // Without an id it is about the socket, and so about this turn.
  if (typeof frame.id === 'string' && frame.id !== turn) return [];
  const event = eventOf(frame);
  return event ? [event] : [];
}

function eventOf(frame: Json): ServerEvent | null {
  const eventId = asText(frame.event_id) ?? '';
  switch (frame.type) {
    case 'queue':
      return { type: 'queued', position: asNumber(frame.position) ?? 1 };
    case 'started':
      return {
        type: 'started',
        requestId: asText(frame.request_id) ?? '',
        conversationId: asText(frame.conversation_id),
        model: asText(frame.model),
        cached: frame.cached === true,
      };
    case 'delta':
      return { type: 'delta', eventId, text: asText(frame.text) ?? '', reasoning: asText(frame.reasoning) ?? '' };
    case 'usage': {
      const usage = usageOf(frame.usage);
      return usage && { type: 'usage', eventId, usage };
    }
    case 'completed': {
      const { question, answer } = conversationOf(frame.conversation);
      const finishReason = asText(frame.finish_reason) ?? 'stop';
      const aiLabel = asText(frame.ai_label);
      return { type: 'completed', eventId, finishReason, model: null, usage: null, aiLabel, question, answer };
    }
    case 'error':
      return errorOf(frame, null, asNumber(frame.retry_after_s)) ?? protocolError();
    default:
      return null;
  }
}
