/** OpenAI's chunks, as the gateway's streams over HTTP carry them. Pure. */

import { asNumber, asObject, asText, conversationOf, errorOf, jsonObject, usageOf } from './serverEvents';
import type { Json, ServerEvent } from './serverEvents';

const COMPLETION_PREFIX = 'chatcmpl-';

/** What the headers of an answer say of its turn; header names are lower case. */
export interface TurnHeaders {
  requestId: string | null;
  conversationId: string | null;
  cached: boolean;
}

export function turnHeaders(headers: Readonly<Record<string, string>>): TurnHeaders {
  return {
    requestId: headers['x-request-id'] ?? null,
    conversationId: headers['x-conversation-id'] ?? null,
    cached: headers['x-cache'] === 'hit',
  };
}

/** The position that a comment tells, as in `queue 3`; null for a heartbeat. */
export function queuePosition(comment: string): number | null {
  const found = /^queue (\d{1,9})$/.exec(comment);
  return found ? Number(found[1]) : null;
}

/** Reads the events of one connection. */
export class ChunkReader {
  private started = false;

  /** @param headers of the response; what they do not say, as where a device tells none, the first chunk does. */
  constructor(private readonly headers: TurnHeaders) {}

  /** What an event says; nothing for `[DONE]`, which only says that nothing follows. */
  read(eventId: string, data: string): ServerEvent[] {
    if (data === '[DONE]') return [];
    const chunk = jsonObject(data);
    if (chunk === null) return [protocolError()];
    if (chunk.error !== undefined) return [errorOf(chunk, null, null) ?? protocolError()];
    const events: ServerEvent[] = [];
    if (!this.started) {
      this.started = true;
      events.push(this.start(chunk));
    }
    return events.concat(said(eventId, chunk));
  }

  private start(chunk: Json): ServerEvent {
    const id = asText(chunk.id) ?? '';
    const named = id.startsWith(COMPLETION_PREFIX) ? id.slice(COMPLETION_PREFIX.length) : id;
    return {
      type: 'started',
      requestId: this.headers.requestId ?? named,
      conversationId: this.headers.conversationId,
      model: asText(chunk.model),
      cached: this.headers.cached,
    };
  }
}

function said(eventId: string, chunk: Json): ServerEvent[] {
  const choice = asObject(Array.isArray(chunk.choices) ? chunk.choices[0] : null);
  const usage = usageOf(chunk.usage);
  if (choice === null) return usage ? [{ type: 'usage', eventId, usage }] : [];
  const delta = asObject(choice.delta);
  const text = asText(delta?.content) ?? '';
  const reasoning = asText(delta?.reasoning_content) ?? '';
  const events: ServerEvent[] = [];
  const finishReason = asText(choice.finish_reason);
  // An event without text still moves the place from which the turn can be gone on with.
  if (text || reasoning || finishReason === null) events.push({ type: 'delta', eventId, text, reasoning });
  if (finishReason !== null) {
    const { question, answer } = conversationOf(chunk.conversation);
    const [model, aiLabel] = [asText(chunk.model), asText(chunk.ai_label)];
    events.push({ type: 'completed', eventId, finishReason, model, usage, aiLabel, question, answer });
  }
  return events;
}

/** The server, or something between, said what cannot be understood. */
export function protocolError(status: number | null = null): ServerEvent {
  return { type: 'error', code: 'protocol_error', message: '', retract: false, retryAfterS: null, status };
}

/** `Retry-After` in seconds; null when it is none, or a date. */
export function retryAfter(headers: Readonly<Record<string, string>>): number | null {
  const said = headers['retry-after'];
  return said === undefined || said === '' ? null : asNumber(Number(said));
}
