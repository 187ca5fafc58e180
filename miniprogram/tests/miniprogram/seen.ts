/** Waiting for what a person would see. */

import { vi } from 'vitest';

/** Far longer than anything takes: a machine may be busy with something else. */
const PATIENCE_MS = 10_000;

/** Resolves when the check no longer fails. */
export function seen(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: PATIENCE_MS });
}
