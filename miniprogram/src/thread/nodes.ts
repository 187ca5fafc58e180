/** Messages as screens show them. */

import type { Rating } from '@/api/shapes';
import type { Block } from '@/markdown';
import type { TurnFailure } from '@/streaming';

/** `waiting` and `streaming` are under way; the others stand. */
export type Status = 'waiting' | 'streaming' | 'complete' | 'length' | 'interrupted' | 'stopped' | 'failed' | 'retracted';

/** A question or an answer. `id` is the server's number once `saved`, ours until then. */
export interface MessageNode {
  id: string;
  /** The message it follows; "" at the beginning. */
  parent: string;
  role: 'user' | 'assistant';
  saved: boolean;
  text: string;
  /** Images of a question, by URL. */
  images: readonly string[];
  status: Status;
  createdAtMs: number;

  // Of answers alone:
  blocks: readonly Block[];
  reasoning: string;
  thinkingMs: number | null;
  model: string | null;
  requestId: string | null;
  aiLabel: string | null;
  rating: Rating | null;
  cached: boolean;
  /** Place in a queue, 1 is next; null: not waiting in one. */
  position: number | null;
  /** The line is broken; what came stays, and it goes on by itself. */
  offline: boolean;
  failure: TurnFailure | null;
  /** What stands in the place of an answer that was taken back. */
  notice: string;
}

export function blankNode(id: string, parent: string, role: MessageNode['role']): MessageNode {
  return {
    id,
    parent,
    role,
    saved: false,
    text: '',
    images: [],
    status: role === 'user' ? 'complete' : 'waiting',
    createdAtMs: Date.now(),
    blocks: [],
    reasoning: '',
    thinkingMs: null,
    model: null,
    requestId: null,
    aiLabel: null,
    rating: null,
    cached: false,
    position: null,
    offline: false,
    failure: null,
    notice: '',
  };
}

export function isUnderWay({ status }: MessageNode): boolean {
  return status === 'waiting' || status === 'streaming';
}
