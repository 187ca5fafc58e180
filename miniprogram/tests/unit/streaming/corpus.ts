/** Texts that are cut badly: every length of UTF-8, and what only makes sense together. */
export const CORPUS = [
  '鹊桥相会，金风玉露一相逢，便胜却人间无数。',
  'plain ASCII, then 中文，and back',
  '😀🌉🎋 emoji, 👩‍👩‍👧‍👦 a family joined by ZWJ, 👍🏽 with a skin, 🇨🇳 a flag, ❤️‍🔥 with a variation selector',
  'é as e\u0301, Zalgo z\u0335\u0322\u0327, Việt Nam, 각 as \u1100\u1161\u11a8',
  '𠮷野家, 𝒳 and 𓀀 beyond the basic plane',
  'bidi \u202bעברית\u202c and \u0627\u0644\u0639\u0631\u0628\u064a\u0629',
  '\u0000\u0001\t controls, \u2028 and \u2029, \u00a0, \u3000, \u200b',
  'edges: \u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\u{10000}\u{10ffff}',
  '\ufeffa mark, and another \ufeff within',
];

/** Bytes that are no UTF-8, or not yet. */
export const BROKEN: readonly number[][] = [
  [0x80],
  [0xbf, 0x41],
  [0xc0, 0xaf],
  [0xc1, 0xbf],
  [0xc2],
  [0xc2, 0x41],
  [0xe0, 0x80, 0x80],
  [0xe0, 0xa0],
  [0xe9, 0xb9, 0x41],
  [0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80],
  [0xf0, 0x80, 0x80, 0x80],
  [0xf0, 0x9f, 0x98],
  [0xf0, 0x9f, 0x41, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf5, 0x80, 0x80, 0x80],
  [0xff, 0xfe, 0xfd],
  [0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf],
];
