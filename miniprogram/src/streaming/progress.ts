/** What is known of a turn so far, and what of the server's words is new. No input and no output. */

import { isAfter } from './eventOrder';
import type { ServerEvent } from './serverEvents';
import type { TurnEvents, Usage } from './types';

type Started = Extract<ServerEvent, { type: 'started' }>;
type Delta = Extract<ServerEvent, { type: 'delta' }>;
type Completed = Extract<ServerEvent, { type: 'completed' }>;

export class Progress {
  requestId = '';
  /** The last event that arrived; "" when the turn has not begun. */
  lastEventId = '';
  /** Text or reasoning was told. */
  partial = false;
  private resumedBehind = '';
  private model: string | null = null;
  private usage: Usage | null = null;

  constructor(private readonly askedConversationId: string | null) {}

  get begun(): boolean {
    return this.lastEventId !== '';
  }

  /** A line is opened that goes on behind what is here. */
  resume(): void {
    this.resumedBehind = this.lastEventId;
  }

  /** The beginning; null when it was told before. */
  started(event: Started): TurnEvents['started'] | null {
    this.model = event.model ?? this.model;
    this.requestId = event.requestId || this.requestId;
    if (this.begun) return null;
    // A socket says with a frame what a stream says with its event 0.
    this.lastEventId = '0';
    const conversationId = event.conversationId ?? this.askedConversationId;
    return { requestId: this.requestId, conversationId, model: event.model, cached: event.cached };
  }

  /** What is new in a delta; null when nothing is. */
  delta({ eventId, text, reasoning }: Delta): TurnEvents['delta'] | null {
    if (!isAfter(eventId, this.resumedBehind)) return null;
    this.lastEventId = eventId || this.lastEventId;
    if (!text && !reasoning) return null;
    this.partial = true;
    return { ...(text ? { text } : {}), ...(reasoning ? { reasoning } : {}) };
  }

  used(eventId: string, usage: Usage): void {
    this.usage = usage;
    this.lastEventId = eventId || this.lastEventId;
  }

  completed(event: Completed): TurnEvents['completed'] {
    const { finishReason, aiLabel, question, answer } = event;
    const [model, usage] = [event.model ?? this.model, event.usage ?? this.usage];
    return { finishReason, model, usage, aiLabel, question, answer };
  }

  /** The end of a turn that was stopped, when the server did not say how it ended. */
  cancelled(): TurnEvents['completed'] {
    const { model, usage } = this;
    return { finishReason: 'cancelled', model, usage, aiLabel: null, question: null, answer: null };
  }
}
