/** Builds the mini-program of this folder as a release is built. */

import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const project = join(here, '../..');

/** What is built in, as it lies in `src`. */
const PARTS = ['streaming', 'markdown', 'components/markdown'];

/**
 * Builds it.
 *
 * @returns the folder of the built mini-program.
 */
export async function buildMiniProgram(): Promise<string> {
  // Within the project, so that its packages are found; the output outside, where its files are CommonJS.
  const cache = join(project, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const input = mkdtempSync(join(cache, 'miniprogram-'));
  const output = mkdtempSync(join(tmpdir(), 'miniprogram-'));
  try {
    cpSync(join(here, 'app'), input, { recursive: true });
    PARTS.forEach((part) => cpSync(join(project, 'src', part), join(input, part), { recursive: true }));
    await promisify(execFile)(join(project, 'node_modules/.bin/uni'), ['build', '-p', 'mp-weixin'], {
      cwd: project,
      env: { ...process.env, NODE_ENV: 'production', UNI_INPUT_DIR: input, UNI_OUTPUT_DIR: output },
    });
  } finally {
    rmSync(input, { recursive: true, force: true });
  }
  return output;
}
