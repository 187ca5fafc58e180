/** One turn, followed to its end through lost lines, refused tokens and a hidden app. */

import type { Caller, Channel, ChannelListener, Connection } from './channel';
import { backoffMs } from './environment';
import type { Environment, Unsubscribe } from './environment';
import { Progress } from './progress';
import type { Release } from './requestQueue';
import type { ServerError, ServerEvent } from './serverEvents';
import { Timer } from './timer';
import type { TurnEvents, TurnFailure, TurnHandle, TurnHandlers, TurnRequest } from './types';

type Last = 'completed' | 'retracted' | 'failed';

export class Turn implements TurnHandle {
  private readonly progress: Progress;
  private over = false;
  private stopping = false;
  private stopAccepted = false;
  private release: Release = () => {};
  private leaveQueue: () => boolean = () => false;
  private unsubscribe: Unsubscribe = () => {};

  private channel: Channel;
  private connection: Connection | null = null;
  // Tells the present connection's words from those of earlier ones.
  private connections = 0;
  private fetchingToken = false;
  private opened = false;
  private heard = false;
  private waitsOnServer = false;

  private readonly watchdog = new Timer();
  private readonly retry = new Timer();
  private readonly stopLimit = new Timer();
  private attempt = 0;
  private interrupted = false;
  private hiddenAt: number | null = null;
  private token = '';
  private refusedToken: string | undefined;

  constructor(
    private readonly environment: Environment,
    private readonly request: TurnRequest,
    private readonly handlers: TurnHandlers,
  ) {
    this.channel = environment.channels.current;
    this.progress = new Progress(request.body.conversation_id ?? null);
  }

  /** Asks, as soon as there is a place. */
  begin(): void {
    this.unsubscribe = this.environment.lifecycle.subscribe(() => this.lifecycleChanged());
    this.leaveQueue = this.environment.queue.enter(
      (release) => {
        this.release = release;
        if (this.over) release();
        else this.connect();
      },
      (position) => this.emit('queued', { position, where: 'device' }),
    );
  }

  stop(): void {
    if (this.over || this.stopping) return;
    this.stopping = true;
    const waits = this.leaveQueue() || this.waitsOnServer;
    this.sendStop();
    if (waits || (!this.progress.begun && this.connection === null)) {
      this.end('completed', this.progress.cancelled());
      return;
    }
    this.stopLimit.start(this.environment.patience.stopMs, () => this.end('completed', this.progress.cancelled()));
    // Between two lines: the next one tells how the turn ended.
    if (this.retry.running) this.connect();
  }

  detach(): void {
    if (this.over) return;
    this.leaveQueue();
    this.finish();
  }

  private connect(): void {
    this.retry.stop();
    this.fetchingToken = true;
    const connection = ++this.connections;
    const current = () => !this.over && connection === this.connections;
    this.request.token(this.refusedToken).then(
      (token) => {
        if (current()) this.open(connection, token);
      },
      (error: { code?: string; status?: number | null } | undefined) => {
        if (!current()) return;
        this.fetchingToken = false;
        // A token that cannot be had now is no word about who is logged in.
        if (error?.code === 'connection_lost' || (error?.status ?? 0) >= 500) this.lineLost(false);
        else this.fail({ code: 'unauthenticated', status: 401 });
      },
    );
  }

  private open(connection: number, token: string): void {
    this.fetchingToken = false;
    this.token = token;
    this.opened = false;
    this.heard = false;
    this.channel = this.environment.channels.current;
    const listener = this.listener(connection);
    this.watch();
    const { requestId, lastEventId, begun } = this.progress;
    this.progress.resume();
    const { body, idempotencyKey } = this.request;
    // Before the first event there is nothing to go on with: the key makes asking again harmless.
    const opened = begun
      ? this.channel.resume({ ...this.caller(), requestId, lastEventId }, listener)
      : this.channel.ask({ ...this.caller(), body, idempotencyKey }, listener);
    if (!this.over && connection === this.connections) this.connection = opened;
    else opened.close();
  }

  private listener(connection: number): ChannelListener {
    const current = (act: () => void): void => {
      if (!this.over && connection === this.connections) act();
    };
    return {
      opened: (requestId) => current(() => this.lineOpened(requestId)),
      alive: () =>
        current(() => {
          this.heard = true;
          this.watch();
        }),
      event: (event) => current(() => this.take(event)),
      lost: ({ mute }) => current(() => this.lineLost(mute)),
    };
  }

  private lineOpened(requestId: string | null): void {
    this.opened = true;
    this.refusedToken = undefined;
    if (!this.progress.begun) this.progress.requestId = requestId ?? '';
    if (this.interrupted) {
      this.interrupted = false;
      this.emit('resumed', { attempt: this.attempt });
    }
    if (this.stopping) this.sendStop();
  }

  private take(event: ServerEvent): void {
    if (event.type === 'error') {
      this.refused(event);
      return;
    }
    this.environment.channels.prove(this.channel);
    this.waitsOnServer = event.type === 'queued';
    switch (event.type) {
      case 'queued':
        this.emit('queued', { position: event.position, where: 'server' });
        return;
      case 'started': {
        const started = this.progress.started(event);
        if (started) this.emit('started', started);
        if (this.stopping) this.sendStop();
        return;
      }
      case 'delta': {
        const delta = this.progress.delta(event);
        if (delta) this.attempt = 0;
        if (delta) this.emit('delta', delta);
        return;
      }
      case 'usage':
        this.progress.used(event.eventId, event.usage);
        return;
      case 'completed':
        this.end('completed', this.progress.completed(event));
    }
  }

  private refused(error: ServerError): void {
    const { code, message, retryAfterS, status } = error;
    const { begun } = this.progress;
    if (!this.opened && code === 'invalid_api_key' && this.refusedToken === undefined) {
      this.refusedToken = this.token;
      this.dropConnection();
      this.connect();
    } else if (!this.opened && (begun || this.attempt > 0) && isPassing(error)) {
      this.lineLost(false, retryAfterS ?? 0);
    } else if (error.retract && (begun || this.opened)) {
      this.end('retracted', { message });
    } else {
      this.fail({ code, message, retryAfterS, status });
    }
  }

  /** The line broke, or could not be had: the next one is tried in a while, or by another way at once. */
  private lineLost(mute: boolean, waitAtLeastS = 0): void {
    this.dropConnection();
    const { patience, channels, lifecycle, random } = this.environment;
    if (this.stopping && !this.progress.begun) {
      this.end('completed', this.progress.cancelled());
      return;
    }
    if (mute && channels.leave(this.channel)) {
      this.connect();
      return;
    }
    this.attempt += 1;
    if (this.attempt > patience.attemptsMax) {
      this.fail({ code: 'connection_lost' });
      return;
    }
    this.interrupted = true;
    const mayTry = lifecycle.isVisible() && lifecycle.isOnline();
    const retryInMs = mayTry ? Math.max(backoffMs(patience, this.attempt, random()), waitAtLeastS * 1000) : null;
    if (retryInMs !== null) this.retry.start(retryInMs, () => this.connect());
    this.emit('interrupted', { attempt: this.attempt, retryInMs });
  }

  private lifecycleChanged(): void {
    const { lifecycle } = this.environment;
    if (!lifecycle.isVisible()) {
      this.hiddenAt = this.hiddenAt ?? Date.now();
      return;
    }
    const hiddenMs = this.hiddenAt === null ? 0 : Date.now() - this.hiddenAt;
    this.hiddenAt = null;
    if (!lifecycle.isOnline()) return;
    if (this.interrupted && this.connection === null && !this.fetchingToken) {
      this.attempt = 0;
      this.connect();
    } else if (this.connection !== null && lifecycle.cutAfterMs !== null && hiddenMs >= lifecycle.cutAfterMs) {
      // The platform has cut the line, told or not: nothing is lost by another one.
      this.dropConnection();
      this.connect();
    }
  }

  private watch(): void {
    const { silenceMs, wholeSilenceMs } = this.environment.patience;
    this.watchdog.start(this.channel.streams ? silenceMs : wholeSilenceMs, () => this.lineLost(!this.heard));
  }

  private sendStop(): void {
    if (this.stopAccepted) return;
    const { requestId } = this.progress;
    void this.channel.stop({ ...this.caller(), requestId }, this.connection).then((accepted) => {
      this.stopAccepted = this.stopAccepted || accepted;
    });
  }

  private caller(): Caller {
    const { baseUrl, language, headers } = this.request;
    return { baseUrl, token: this.token, language: language ?? null, headers: headers ?? {} };
  }

  private fail(failure: Partial<TurnFailure> & { code: string }): void {
    const { partial } = this.progress;
    this.end('failed', { message: '', retryAfterS: null, status: null, ...failure, partial });
  }

  private end<Name extends Last>(name: Name, event: TurnEvents[Name]): void {
    if (this.over) return;
    this.finish();
    this.tell(name, event);
  }

  private finish(): void {
    this.over = true;
    this.dropConnection();
    this.retry.stop();
    this.stopLimit.stop();
    this.unsubscribe();
    this.release();
  }

  private dropConnection(): void {
    this.watchdog.stop();
    const { connection } = this;
    this.connection = null;
    this.connections += 1;
    connection?.close();
  }

  private emit<Name extends keyof TurnEvents>(name: Name, event: TurnEvents[Name]): void {
    if (!this.over) this.tell(name, event);
  }

  private tell<Name extends keyof TurnEvents>(name: Name, event: TurnEvents[Name]): void {
    const handler = this.handlers[name] as ((event: TurnEvents[Name]) => void) | undefined;
    handler?.(event);
  }
}

/** Not about the turn, but about the moment. */
function isPassing(error: ServerError): boolean {
  return error.code === 'rate_limit_exceeded' || error.code === 'service_unavailable' || (error.status ?? 0) >= 500;
}
