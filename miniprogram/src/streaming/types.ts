/** What a turn is asked with, and what happens to it. No platform and no framework is known here. */

/** One message as OpenAI's chat completions have it. */
export interface ChatMessage {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  content: string | readonly ContentPart[];
}

/** A part of a message: text, or an image by its URL (`data:` too). */
export type ContentPart =
  | { type: 'text'; text: string }
  | { type: 'image_url'; image_url: { url: string; detail?: 'auto' | 'low' | 'high' } };

/** The body of `POST /v1/chat/completions`; `stream` is set by the transport. */
export interface TurnBody {
  messages: readonly ChatMessage[];
  model?: string;
  conversation_id?: string;
  /** Edit and resend: the question follows this message; `"0"` begins anew. */
  parent_id?: string;
  /** Another answer to the question that this answer answered. */
  regenerate_id?: string;
  /** Goes on with an answer that was cut short. */
  continue_id?: string;
  on_disconnect?: 'continue' | 'cancel';
  max_tokens?: number;
  temperature?: number;
  top_p?: number;
  reasoning_effort?: string;
  [parameter: string]: unknown;
}

/**
 * Answers the bearer token. Called again with the token that the server refused, so that it can be refreshed;
 * rejects when nobody is logged in.
 */
export type TokenProvider = (refused?: string) => Promise<string>;

/** One turn to be asked. */
export interface TurnRequest {
  /** Without a slash at its end, as in `https://chat.example.com`; "" asks the page's own origin (H5). */
  baseUrl: string;
  token: TokenProvider;
  body: TurnBody;
  /** 1–255 visible ASCII characters, new for every question: with it a retry is never paid twice. */
  idempotencyKey: string;
  /** `Accept-Language`: the language of error messages. */
  language?: string;
  /** More headers, by name; of these a WebSocket carries `Cache-Control` wherever it runs, the others where it can. */
  headers?: Readonly<Record<string, string>>;
}

/** Tokens of a turn, as the server counted them. */
export interface Usage {
  promptTokens: number;
  completionTokens: number;
  totalTokens: number;
  cachedTokens: number;
  reasoningTokens: number;
}

/** The turn's payload by event name. */
export interface TurnEvents {
  /** The server took the turn. Comes once. */
  started: { requestId: string; conversationId: string | null; model: string | null; cached: boolean };
  /** The turn waits: on the device for one of three places, or on the server. `position` 1 is the next. */
  queued: { position: number; where: 'device' | 'server' };
  /** More of the answer. Each character comes once, whatever the network does. */
  delta: { text?: string; reasoning?: string };
  /** The answer is over. `question` and `answer` are ids of messages, null when they were not remembered. */
  completed: {
    finishReason: string;
    model: string | null;
    usage: Usage | null;
    /** The visible label that the answer must carry ("AI 生成"); null where the platform's policy asks for none. */
    aiLabel: string | null;
    question: string | null;
    answer: string | null;
  };
  /** Everything of this answer must be taken back, and `message` shown instead. */
  retracted: { message: string };
  /** The line broke. The turn is gone on with in `retryInMs`; null: when the app is shown or the network is back. */
  interrupted: { attempt: number; retryInMs: number | null };
  /** The line is back; deltas go on where they stopped. */
  resumed: { attempt: number };
  failed: TurnFailure;
}

/** Why a turn came to nothing, or to a part. */
export interface TurnFailure {
  /** The server's `error.code`, or `connection_lost`, `unauthenticated`, `protocol_error` of this client. */
  code: string;
  /** One sentence in the user's language; "" for the client's own codes, which the screens word themselves. */
  message: string;
  /** Seconds until the same request may be sent again; null unless the server says so. */
  retryAfterS: number | null;
  /** The HTTP status; null when none was received, and for errors within a stream. */
  status: number | null;
  /** Text has been shown, and stands. */
  partial: boolean;
}

/** What the asker listens to; exactly one of `completed`, `retracted` and `failed` comes, last. */
export type TurnHandlers = { [Name in keyof TurnEvents]?: (event: TurnEvents[Name]) => void };

/** A turn under way. */
export interface TurnHandle {
  /**
   * Stops the model; what was written stays and is paid. `completed` follows with `finishReason` `cancelled`.
   * Harmless when the turn is over.
   */
  stop(): void;
  /** Listens no more, and lets the turn go on by itself on the server. No event follows. */
  detach(): void;
}

/** Asks a turn. */
export type OpenTurn = (request: TurnRequest, handlers: TurnHandlers) => TurnHandle;
