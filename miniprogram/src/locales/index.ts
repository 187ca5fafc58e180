/** The app's texts: Chinese first. */

import { createI18n } from 'vue-i18n';
import en from './en';
import zh from './zh-CN';

export type Locale = 'zh-CN' | 'en';

/** The shape of a catalogue: the keys of the Chinese one, with any text. */
export type Messages = Texts<typeof zh>;

type Texts<T> = T extends string
  ? string
  : T extends readonly (infer Item)[]
    ? readonly Texts<Item>[]
    : { readonly [Key in keyof T]: Texts<T[Key]> };

export const i18n = createI18n({
  legacy: false,
  locale: 'zh-CN',
  fallbackLocale: 'zh-CN',
  // Texts are ours: no plural rules, no HTML.
  messages: { 'zh-CN': zh as unknown as Messages, en },
});

export function setLocale(locale: Locale): void {
  i18n.global.locale.value = locale;
  // #ifdef H5
  document.documentElement.lang = locale;
  // #endif
}

/** The catalogue of a locale, for lists of texts. */
export function messagesOf(locale: Locale): Messages {
  return locale === 'en' ? en : (zh as unknown as Messages);
}
