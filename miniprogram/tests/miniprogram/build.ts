/** Builds the mini-program as a release is built: once for all tests of a run. */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { GlobalSetupContext } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The folder of the built mini-program. */
    miniProgram: string;
  }
}

const project = fileURLToPath(new URL('../..', import.meta.url));

/** Where the gateway is that it is built for. */
export const GATEWAY = 'https://chat.example';

export default async function build({ provide }: GlobalSetupContext): Promise<void | (() => void)> {
  // `vitest run tests/unit/thread` need not wait for it.
  const named = process.argv.filter((argument) => argument.startsWith('tests/'));
  if (named.length && !named.some((path) => path.startsWith('tests/miniprogram'))) return;
  // Outside of the project, where files are CommonJS.
  const folder = mkdtempSync(join(tmpdir(), 'miniprogram-'));
  const env = { NODE_ENV: 'production', UNI_OUTPUT_DIR: folder, VITE_BASE_URL: GATEWAY, VITE_CLOUD_RUN_ENV: '' };
  await promisify(execFile)(join(project, 'node_modules/.bin/uni'), ['build', '-p', 'mp-weixin'], {
    cwd: project,
    env: { ...process.env, ...env },
  });
  provide('miniProgram', folder);
  return () => rmSync(folder, { recursive: true, force: true });
}
