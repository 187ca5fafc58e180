/** Runs so many tasks at once; the others wait in their order, and can be taken back. */

/** Ends a task's occupation of its place; more than once is harmless. */
export type Release = () => void;

interface Waiting {
  run: (release: Release) => void;
  moved: (position: number) => void;
}

/** A device allows ten connections at a time; three of them are for turns. */
export class RequestQueue {
  private running = 0;
  private readonly waiting: Waiting[] = [];

  constructor(private readonly places = 3) {}

  /**
   * Runs the task now or when a place is free; it keeps its place until it calls `release`.
   *
   * @param run begins the task.
   * @param moved hears the position in the queue, 1 being the next, when it waits and whenever it moves up.
   * @returns takes a waiting task back; answers false when it runs already or was taken back before.
   */
  enter(run: (release: Release) => void, moved: (position: number) => void = () => {}): () => boolean {
    if (this.running < this.places) {
      this.begin(run);
      return () => false;
    }
    const entry = { run, moved };
    this.waiting.push(entry);
    moved(this.waiting.length);
    return () => this.takeBack(entry);
  }

  private begin(run: (release: Release) => void): void {
    this.running += 1;
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      this.running -= 1;
      this.next();
    };
    try {
      run(release);
    } catch (error) {
      release();
      throw error;
    }
  }

  private next(): void {
    const entry = this.waiting.shift();
    if (entry === undefined) return;
    this.begin(entry.run);
    this.tellPositions();
  }

  private takeBack(entry: Waiting): boolean {
    const index = this.waiting.indexOf(entry);
    if (index < 0) return false;
    this.waiting.splice(index, 1);
    this.tellPositions();
    return true;
  }

  private tellPositions(): void {
    this.waiting.slice().forEach((entry, index) => entry.moved(index + 1));
  }
}
