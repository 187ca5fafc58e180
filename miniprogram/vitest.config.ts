import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  test: {
    include: ['tests/unit/**/*.test.ts', 'tests/miniprogram/**/*.test.ts'],
    environment: 'node',
    // A machine may be busy with something else.
    testTimeout: 30_000,
    globalSetup: 'tests/miniprogram/build.ts',
  },
});
