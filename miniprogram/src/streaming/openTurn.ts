/** The entrance: turns, in the environment of a platform. */

import type { Environment } from './environment';
import { Turn } from './turn';
import type { OpenTurn } from './types';

/** Asks turns in this environment. */
export function createOpenTurn(environment: Environment): OpenTurn {
  return (request, handlers) => {
    const turn = new Turn(environment, request, handlers);
    turn.begin();
    return turn;
  };
}
