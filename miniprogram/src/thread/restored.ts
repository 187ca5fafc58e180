/** Messages that the server remembers. */

import type { Message } from '@/api/shapes';
import { parseMarkdown } from '@/markdown';
import { blankNode } from './nodes';
import type { MessageNode } from './nodes';

/** A message as it is shown; null for one that is not: a system message, or the call of a tool. */
export function nodeOf(message: Message): MessageNode | null {
  const { role, content } = message;
  if (role !== 'user' && role !== 'assistant') return null;
  const answer = role === 'assistant';
  return {
    ...blankNode(message.id, message.parent_id ?? '', role),
    saved: true,
    text: content,
    images: imagesOf(message),
    status: answer ? (message.state ?? 'complete') : 'complete',
    createdAtMs: message.created_at * 1000,
    blocks: answer ? parseMarkdown(content) : [],
    model: message.model,
    requestId: message.request_id,
    rating: message.rating ?? null,
  };
}

function imagesOf({ message }: Message): string[] {
  const parts = message?.content;
  if (!Array.isArray(parts)) return [];
  return parts.flatMap(({ image_url }) => (image_url ? [image_url.url] : []));
}
