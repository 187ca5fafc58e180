/** Collects deltas, and hands them on once a frame: a screen need not be drawn more often. */

/** Calls back before the next frame; answers how to call it off. */
export type FrameScheduler = (callback: () => void) => () => void;

/** A frame of the browser, or `frameMs` where there are none (a mini-program's logic layer). */
export function frameScheduler(frameMs = 33): FrameScheduler {
  if (typeof requestAnimationFrame === 'function') {
    return (callback) => {
      const id = requestAnimationFrame(callback);
      return () => cancelAnimationFrame(id);
    };
  }
  return (callback) => {
    const id = setTimeout(callback, frameMs);
    return () => clearTimeout(id);
  };
}

/** Text and reasoning that arrived within one frame. */
export interface Batch {
  text: string;
  reasoning: string;
}

/** Batches the deltas of one answer. */
export class FrameBatcher {
  private text = '';
  private reasoning = '';
  private cancel: (() => void) | null = null;

  /**
   * @param draw is given what came since it was called last; never empty.
   * @param schedule when to draw.
   */
  constructor(
    private readonly draw: (batch: Batch) => void,
    private readonly schedule: FrameScheduler = frameScheduler(),
  ) {}

  /** Takes more of the answer. */
  add(delta: { text?: string; reasoning?: string }): void {
    this.text += delta.text ?? '';
    this.reasoning += delta.reasoning ?? '';
    if (this.cancel === null && (this.text || this.reasoning)) {
      this.cancel = this.schedule(() => this.flush());
    }
  }

  /** Draws at once what has come: before the end of the answer is shown. */
  flush(): void {
    const batch = { text: this.text, reasoning: this.reasoning };
    this.discard();
    if (batch.text || batch.reasoning) this.draw(batch);
  }

  /** Forgets what has not been drawn: the answer was taken back. */
  discard(): void {
    this.cancel?.();
    this.cancel = null;
    this.text = '';
    this.reasoning = '';
  }
}
