/** Whoever is logged in: their tokens, kept on the device, and renewed for all requests at once. */

import type { TokenProvider } from '@/streaming';
import { ApiError } from './errors';
import type { Auth } from './queqiao';
import type { SessionTokens } from './shapes';

/** Keeps texts on the device. */
export interface Storage {
  get(key: string): string;
  set(key: string, value: string): void;
  remove(key: string): void;
}

/** Answers a code of the platform's login; null on a platform that has none. */
export type LoginCode = () => Promise<string>;

const KEY = 'queqiao.session';
const NOBODY = 'unauthenticated';

/** An API key in place of a session has no refresh token. */
type Kept = Pick<SessionTokens, 'access_token' | 'refresh_token'>;

export class Session {
  private kept: Kept | null;
  private renewing: Promise<string> | null = null;
  // Whether the key in use may still turn out to be none.
  private trying = false;

  /** @param ended is told when the server takes the session no more. */
  constructor(
    private readonly auth: Auth,
    private readonly storage: Storage,
    private readonly ended: () => void,
  ) {
    this.kept = read(storage.get(KEY));
  }

  get loggedIn(): boolean {
    return this.kept !== null;
  }

  /** The token of requests. */
  readonly token: TokenProvider = (refused) => {
    if (this.kept === null) return Promise.reject(new ApiError(NOBODY, '', 401));
    if (refused === undefined || refused !== this.kept.access_token) return Promise.resolve(this.kept.access_token);
    this.renewing ??= this.renew(this.kept).finally(() => {
      this.renewing = null;
    });
    return this.renewing;
  };

  async login(code: string): Promise<void> {
    this.keep(await this.auth.login(code));
  }

  /**
   * Uses an API key instead of a session, if it is good.
   *
   * @param check asks something with it.
   * @throws what `check` throws; nobody is logged in then.
   */
  async tryKey(key: string, check: () => Promise<void>): Promise<void> {
    const tried = { access_token: key, refresh_token: '' };
    this.kept = tried;
    this.trying = true;
    try {
      await check();
      this.keep(tried);
    } catch (error) {
      this.kept = null;
      throw error;
    } finally {
      this.trying = false;
    }
  }

  async logout(): Promise<void> {
    const { kept } = this;
    this.forget();
    // The session ends by itself, should the server not hear of this.
    if (kept?.refresh_token) await this.auth.revoke(kept.refresh_token).catch(() => undefined);
  }

  forget(): void {
    this.kept = null;
    this.storage.remove(KEY);
  }

  /** The token of another page of this browser that was quicker, or logged somebody else in; null: none. */
  private fromElsewhere(kept: Kept): string | null {
    const stored = read(this.storage.get(KEY));
    if (this.trying || this.kept !== kept || !stored || stored.access_token === kept.access_token) return null;
    this.kept = stored;
    return stored.access_token;
  }

  private async renew(kept: Kept): Promise<string> {
    // A refresh token works once: used by two pages, it would end the session of both.
    const known = this.fromElsewhere(kept);
    if (known !== null) return known;
    try {
      if (!kept.refresh_token) throw new ApiError(NOBODY, '', 401);
      const tokens = await this.auth.refresh(kept.refresh_token);
      // The person logged out meanwhile.
      if (this.kept !== kept) throw new ApiError(NOBODY, '', 401);
      this.keep(tokens);
      return tokens.access_token;
    } catch (error) {
      const newer = this.fromElsewhere(kept);
      if (newer !== null) return newer;
      // Without a network the session may well be good.
      if (this.kept === kept && error instanceof ApiError && error.status === 401 && !this.trying) {
        this.forget();
        this.ended();
      }
      throw error;
    }
  }

  private keep({ access_token, refresh_token }: Kept): void {
    this.kept = { access_token, refresh_token };
    this.storage.set(KEY, JSON.stringify(this.kept));
  }
}

function read(text: string): Kept | null {
  try {
    const value = JSON.parse(text) as Partial<Kept>;
    return value?.access_token ? { access_token: value.access_token, refresh_token: value.refresh_token ?? '' } : null;
  } catch {
    return null;
  }
}
