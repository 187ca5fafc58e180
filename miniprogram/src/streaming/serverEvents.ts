/** What the server says of a turn, whatever carries it: the meeting point of the channels and `Turn`. */

import type { Usage } from './types';

/** An error as the server tells it. */
export interface ServerError {
  type: 'error';
  code: string;
  message: string;
  /** All that was shown must be taken back. */
  retract: boolean;
  retryAfterS: number | null;
  /** The HTTP status; null within a stream and over a WebSocket. */
  status: number | null;
}

/** `eventId` is that of the stream: behind it the turn can be gone on with. */
export type ServerEvent =
  | { type: 'queued'; position: number }
  | { type: 'started'; requestId: string; conversationId: string | null; model: string | null; cached: boolean }
  | { type: 'delta'; eventId: string; text: string; reasoning: string }
  | { type: 'usage'; eventId: string; usage: Usage }
  | {
      type: 'completed';
      eventId: string;
      finishReason: string;
      model: string | null;
      usage: Usage | null;
      aiLabel: string | null;
      question: string | null;
      answer: string | null;
    }
  | ServerError;

/** Any JSON object. */
export type Json = Record<string, unknown>;

/** The object that this text is; null when it is none. */
export function jsonObject(text: string): Json | null {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return null;
  }
}

export function asObject(value: unknown): Json | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

export function asText(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

export function asNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** OpenAI's usage; null when it is none. */
export function usageOf(value: unknown): Usage | null {
  const usage = asObject(value);
  if (usage === null) return null;
  const prompt = asObject(usage.prompt_tokens_details);
  const completion = asObject(usage.completion_tokens_details);
  return {
    promptTokens: asNumber(usage.prompt_tokens) ?? 0,
    completionTokens: asNumber(usage.completion_tokens) ?? 0,
    totalTokens: asNumber(usage.total_tokens) ?? 0,
    cachedTokens: asNumber(prompt?.cached_tokens) ?? 0,
    reasoningTokens: asNumber(completion?.reasoning_tokens) ?? 0,
  };
}

/** The error of a body `{"error", "moderation"?}`; null when it is none of this server's. */
export function errorOf(body: Json, status: number | null, retryAfterS: number | null): ServerError | null {
  const error = asObject(body.error);
  const code = asText(error?.code) ?? asText(error?.type);
  if (error === null || code === null) return null;
  const moderation = asObject(body.moderation);
  const refused = moderation !== null || code === 'content_policy_violation';
  // An action that is not known is treated as the stricter one.
  const retract = refused && moderation?.action !== 'block';
  return { type: 'error', code, message: asText(error.message) ?? '', retract, retryAfterS, status };
}

/** The ids of the messages that the turn left in its conversation. */
export function conversationOf(value: unknown): { id: string | null; question: string | null; answer: string | null } {
  const conversation = asObject(value);
  return {
    id: asText(conversation?.id),
    question: asText(conversation?.question_id),
    answer: asText(conversation?.answer_id),
  };
}
