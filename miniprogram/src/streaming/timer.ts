/** One timer that is started anew, or stopped. */
export class Timer {
  private id: ReturnType<typeof setTimeout> | null = null;

  get running(): boolean {
    return this.id !== null;
  }

  /** Calls back after so many milliseconds, unless it is started again or stopped before. */
  start(delayMs: number, callback: () => void): void {
    this.stop();
    this.id = setTimeout(() => {
      this.id = null;
      callback();
    }, delayMs);
  }

  stop(): void {
    if (this.id !== null) clearTimeout(this.id);
    this.id = null;
  }
}
