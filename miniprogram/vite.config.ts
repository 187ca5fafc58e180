import { fileURLToPath } from 'node:url';
import uniPlugin from '@dcloudio/vite-plugin-uni';
import { defineConfig } from 'vite';
import type { Plugin } from 'vite';

// The plugin is CommonJS: what is imported is its function, or an object that holds it.
const uni = (uniPlugin as unknown as { default?: typeof uniPlugin }).default ?? uniPlugin;

const source = fileURLToPath(new URL('./src', import.meta.url));

/** uni-app's styles fetch, from a host that is not ours, the shadow of a bar that no page of ours has. */
const withoutRemoteShadow: Plugin = {
  name: 'without-remote-shadow',
  generateBundle(_, bundle) {
    for (const file of Object.values(bundle)) {
      if (file.type !== 'asset' || !file.fileName.endsWith('.css')) continue;
      file.source = String(file.source).replace(/url\(https:\/\/cdn\.dcloud\.net\.cn[^)]*\)/g, 'none');
    }
  },
};

/** uni-app builds its own vue-i18n 9.1.9 into mini-programs, which fills no `{place}` of a text. After it, ours stands. */
const wholeI18n: Plugin = {
  name: 'whole-vue-i18n',
  enforce: 'post',
  config: () => ({
    resolve: { alias: { 'vue-i18n': fileURLToPath(new URL('./node_modules/vue-i18n/dist/vue-i18n.mjs', import.meta.url)) } },
  }),
};

export default defineConfig({
  plugins: [uni(), wholeI18n, withoutRemoteShadow],
  resolve: {
    alias: [
      { find: '@', replacement: source },
      // The library's icons load their font from the net: see NoIcon.vue.
      { find: /^.*\/wd-icon\/wd-icon\.vue$/, replacement: `${source}/components/base/NoIcon.vue` },
    ],
  },
  define: {
    // Texts are compiled to data: a mini-program runs no code from text.
    __INTLIFY_JIT_COMPILATION__: true,
    __VUE_I18N_LEGACY_API__: false,
    __VUE_I18N_FULL_INSTALL__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
    // uni-app's runtime fetches an image with it from a host that is not ours, whether it is shown or not.
    'wx.preloadAssets': 'undefined',
  },
  // What the oldest phones that WeChat still runs on can parse, without a pass of the developer tools.
  esbuild: { target: 'es2018' },
});
