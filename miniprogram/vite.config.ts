import uniPlugin from '@dcloudio/vite-plugin-uni';
import { defineConfig } from 'vite';

// The plugin is CommonJS: what is imported is its function, or an object that holds it.
const uni = (uniPlugin as unknown as { default?: typeof uniPlugin }).default ?? uniPlugin;

export default defineConfig({
  plugins: [uni()],
  // What the oldest phones that WeChat still runs on can parse, without a pass of the developer tools.
  esbuild: { target: 'es2018' },
});
