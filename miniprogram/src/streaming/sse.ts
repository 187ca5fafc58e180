/** Server-sent events of a stream of bytes. */

import { createParser } from 'eventsource-parser';
import { Utf8Decoder } from './utf8';
import type { Bytes } from './utf8';

/** Hears what a stream says. */
export interface EventStreamListener {
  /** @param id the event's own id; "" when it has none. */
  event(id: string, data: string): void;
  /** A line of comment, without its colon. */
  comment(text: string): void;
}

/** Reads one stream, wherever its chunks are cut. An event that the stream ends within is never told. */
export class EventStream {
  private readonly decoder = new Utf8Decoder();
  private readonly parser;

  constructor(listener: EventStreamListener) {
    this.parser = createParser({
      onEvent: (event) => listener.event(event.id ?? '', event.data),
      onComment: (text) => listener.comment(text.trim()),
    });
  }

  /** Takes the next bytes. */
  feed(data: Bytes): void {
    const text = this.decoder.decode(data);
    if (text) this.parser.feed(text);
  }
}
