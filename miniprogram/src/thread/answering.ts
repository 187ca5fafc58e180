/** Writes one answer, as its turn tells it. */

import { MarkdownStream } from '@/markdown';
import { FrameBatcher } from '@/streaming';
import type { TurnEvents, TurnHandlers } from '@/streaming';
import type { MessageNode, Status } from './nodes';

/** Who must know. */
export interface AnsweringListener {
  /** The server remembers question and answer under these ids; null: not. */
  remembered(question: string | null, answer: string | null): void;
  over(): void;
}

const STATUS_BY_REASON: Readonly<Record<string, Status>> = { length: 'length', cancelled: 'stopped' };

export class Answering {
  private readonly markdown = new MarkdownStream();
  private readonly frames = new FrameBatcher((batch) => this.draw(batch));
  private thinkingSinceMs: number | null = null;

  /** @param node is written to; it is shown, so it is reactive. */
  constructor(
    private readonly node: MessageNode,
    private readonly listener: AnsweringListener,
  ) {}

  handlers(): TurnHandlers {
    const { node } = this;
    return {
      queued: ({ position }) => {
        node.position = position;
      },
      started: (started) => this.started(started),
      delta: (delta) => this.frames.add(delta),
      interrupted: () => {
        node.offline = true;
      },
      resumed: () => {
        node.offline = false;
      },
      completed: (completed) => this.completed(completed),
      retracted: ({ message }) => this.retracted(message),
      failed: (failure) => {
        this.frames.flush();
        node.failure = failure;
        this.finish('failed');
      },
    };
  }

  private started({ requestId, model, cached }: TurnEvents['started']): void {
    Object.assign(this.node, { requestId, model, cached, position: null, offline: false });
  }

  private draw({ text, reasoning }: { text: string; reasoning: string }): void {
    const { node } = this;
    node.position = null;
    node.status = 'streaming';
    if (reasoning) {
      this.thinkingSinceMs ??= Date.now();
      node.reasoning += reasoning;
    }
    if (!text) return;
    if (this.thinkingSinceMs !== null) node.thinkingMs ??= Date.now() - this.thinkingSinceMs;
    node.text += text;
    this.markdown.append(text);
    node.blocks = this.markdown.blocks();
  }

  private completed({ finishReason, model, aiLabel, question, answer }: TurnEvents['completed']): void {
    this.frames.flush();
    this.node.model = model ?? this.node.model;
    this.node.aiLabel = aiLabel;
    this.listener.remembered(question, answer);
    this.finish(STATUS_BY_REASON[finishReason] ?? 'complete');
  }

  private retracted(message: string): void {
    this.frames.discard();
    Object.assign(this.node, { text: '', reasoning: '', blocks: [], notice: message });
    this.finish('retracted', []);
  }

  private finish(status: Status, blocks = this.markdown.finish()): void {
    Object.assign(this.node, { blocks, status, position: null, offline: false });
    this.listener.over();
  }
}
