/** What the app is built of: made once in main.ts, replaced by tests. */

import type { Session } from './api/session';
import type { Queqiao } from './api/queqiao';
import type { OpenTurn, TokenProvider } from './streaming';

export interface Services {
  api: Queqiao;
  session: Session;
  openTurn: OpenTurn;
  token: TokenProvider;
  baseUrl: string;
  /** Headers of every request and turn. */
  headers: () => Record<string, string>;
  /** The platform's login code; null where a person types something instead. */
  loginCode: (() => Promise<string>) | null;
  /** `h5`, `mp-android` or `mp-ios`, as the gateway's policy calls them. */
  client: string;
}

let services: Services | null = null;

export function provideServices(built: Services): void {
  services = built;
}

export function useServices(): Services {
  if (services === null) throw new Error('provideServices comes first: see main.ts.');
  return services;
}
