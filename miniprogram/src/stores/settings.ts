/** How this person wants the app: kept on the device. */

import { defineStore } from 'pinia';
import { computed, ref, watch } from 'vue';
import { setLocale } from '@/locales';
import type { Locale } from '@/locales';
import { deviceStorage } from '@/storage';
import { followSystem } from '@/theme/system';
import type { Scheme } from '@/theme/system';

export type ThemeChoice = 'system' | Scheme;
/** Of the normal size of type. */
export const FONT_SCALES = [0.9, 1, 1.15, 1.3] as const;

const KEY = 'queqiao.settings';

interface Kept {
  locale: Locale | 'system';
  theme: ThemeChoice;
  fontScale: number;
  /** The privacy policy was agreed to. */
  agreed: boolean;
  model: string;
}

const DEFAULTS: Kept = { locale: 'system', theme: 'system', fontScale: 1, agreed: false, model: '' };

export const useSettings = defineStore('settings', () => {
  const kept = ref<Kept>({ ...DEFAULTS, ...read() });
  const system = ref<Scheme>('light');
  followSystem((scheme) => {
    system.value = scheme;
  });

  const scheme = computed<Scheme>(() => (kept.value.theme === 'system' ? system.value : kept.value.theme));
  const locale = computed<Locale>(() => (kept.value.locale === 'system' ? systemLocale() : kept.value.locale));

  watch(kept, (value) => deviceStorage.set(KEY, JSON.stringify(value)), { deep: true });
  watch(locale, (value) => setLocale(value), { immediate: true });

  return { kept, scheme, locale };
});

function systemLocale(): Locale {
  return uni.getSystemInfoSync().language?.toLowerCase().startsWith('en') ? 'en' : 'zh-CN';
}

function read(): Partial<Kept> {
  try {
    return JSON.parse(deviceStorage.get(KEY) || '{}') as Partial<Kept>;
  } catch {
    return {};
  }
}
