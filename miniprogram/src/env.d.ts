/// <reference types="vite/client" />

interface ImportMetaEnv {
  readonly VITE_BASE_URL?: string;
  readonly VITE_CLOUD_RUN_ENV?: string;
  readonly VITE_CLOUD_RUN_SERVICE?: string;
  readonly VITE_DEVICE_LOGIN?: string;
}

declare module '*.vue' {
  import type { DefineComponent } from 'vue';

  const component: DefineComponent<Record<string, unknown>, Record<string, unknown>, unknown>;
  export default component;
}
