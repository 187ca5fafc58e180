import { createPinia } from 'pinia';
import { createSSRApp } from 'vue';
import App from './App.vue';
import { compose } from './composition';
import { i18n } from './locales';
import { provideServices } from './services';
import { forgetEverything } from './stores/leaving';
import { replace } from './routes';
// #ifdef H5
import { installKeyboard } from './keyboard';
// #endif

export function createApp() {
  const app = createSSRApp(App);
  const pinia = createPinia();
  app.use(pinia).use(i18n);
  provideServices(
    compose(
      () => i18n.global.locale.value,
      () => {
        forgetEverything();
        replace('welcome');
      },
    ),
  );
  // #ifdef H5
  installKeyboard(document);
  // #endif
  return { app, pinia };
}
