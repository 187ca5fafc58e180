/** What the built mini-program is made of: nothing that devices refuse, nothing of other hosts, and not too much. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { GATEWAY } from './build';

const folder = inject('miniProgram');
const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(folder, name)).isFile());
const SUBPACKAGE = 'pages/wallet/';
/** WeChat takes 2 MB; what is kept free is for what comes. */
const MAIN_BYTES_MAX = 1_500_000;
/** Named in what is built in, and never asked: the namespace of SVG, and documentation in the words of errors. */
const ONLY_NAMED = ['www.w3.org', 'uniapp.dcloud.net.cn', 'vuejs.org', 'github.com'];
/** Code from text is forbidden; lookbehind is a syntax error before iOS 16.4; TextDecoder is not there; KaTeX is too large. */
const REFUSED = /\bnew Function\(|\beval\(|\(\?<[=!]|\bnew TextDecoder\b|renderToString|KaTeX parse error/g;
const ADDRESS = /(?:https?:|wss?:|url\(["']?)\/\/([\w-]+(?:\.[\w-]+)+)/g;

function read(ending: RegExp): [name: string, text: string][] {
  return names.filter((name) => ending.test(name)).map((name) => [name, readFileSync(join(folder, name), 'utf8')]);
}

describe('the built mini-program', () => {
  it('is the whole app', () => {
    const app = JSON.parse(readFileSync(join(folder, 'app.json'), 'utf8')) as { pages: string[]; subPackages: { root: string }[] };
    expect(app.pages[0]).toBe('pages/chat/chat');
    expect(app.subPackages.map(({ root }) => `${root}/`)).toEqual([SUBPACKAGE]);
    expect(names).toEqual(expect.arrayContaining(['app.js', 'common/vendor.js', 'pages/wallet/pay.js']));
  });

  it('holds nothing that devices refuse, and no KaTeX', () => {
    for (const [name, text] of read(/\.(js|wxs)$/)) expect(text.match(REFUSED), name).toBeNull();
  });

  it('leads to no other host', () => {
    for (const [name, text] of read(/\.(js|wxs|json|wxml|wxss|svg)$/)) {
      const hosts = [...text.matchAll(ADDRESS)].map(([, host = '']) => host);
      expect(hosts.filter((host) => !ONLY_NAMED.includes(host) && `https://${host}` !== GATEWAY), name).toEqual([]);
      // With it uni-app's runtime fetches from an address that it puts together of numbers.
      expect(text.match(/\bpreloadAssets\b/g), name).toBeNull();
    }
  });

  it('is small enough for its main package', () => {
    const main = names.filter((name) => !name.startsWith(SUBPACKAGE)).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    expect(main).toBeLessThan(MAIN_BYTES_MAX);
  });
});
