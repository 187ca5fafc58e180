/** Answers as models write them, and as nobody should. */
export const DOCUMENTS: Readonly<Record<string, string>> = {
  prose: '# 鹊桥\n\n七夕的**一座桥**，由*喜鹊*搭成。\n它~~不~~通向`银河`。\n\n> 金风玉露一相逢，\n> 便胜却人间无数。\n\n---\n完。\n',
  lists: '步骤：\n1. 安装\n2. 运行\n   - 快\n   - 稳\n\n     又一段\n3. 完成\n\n- [ ] 待办\n- [x] 做完\n\n* 松\n\n* 散\n',
  code: '看代码：\n```python\nprint("鹊桥")\n\n# 注释\n```\n\n~~~\n无名\n~~~\n\n    缩进\n\n- 列表里\n  ```js\n  let a = `x`;\n  ```\n',
  table: '| 模型 | 价格 |\n|:---|---:|\n| `gpt` | **1** |\n| deepseek | 2 |\n\n后文\n',
  formulas: '质能：$E=mc^2$，又 \\(a^2\\)。\n\n$$\n\\frac{1}{2}\n$$\n\n\\[\nx = 1\n\\]\n\n行内 $$y$$ 与 $5 和 $6 元。\n\n$$x$$，开头。\n',
  links: '[文档](https://example.com "题") 与 https://example.com/a?b=c 。[坏](javascript:alert(1)) ![图](https://example.com/a.png)\n\n[引用][a] 与 [b]。\n\n[a]: https://a.example\n[b]: https://b.example "长\n题"\n',
  unclosed: '**没有结束\n\n`也没有\n\n```js\nconst open = 1;\n',
  openFormula: '前文\n$$\nx + y\n\n不是公式\n\n\\[ 也没有结束\n',
  interrupted: '段落\n# 标题\n- 一\n二\n> 引\n续\n1. a\n\n2\n3. b\n***\n-\n\n  c\n',
  setext: '标题\n===\n\n另一个\n---\n文\n-\n',
  html: '<script>alert(1)</script>\n\n<b onclick="x">粗</b> &lt; &amp; &#x4e2d;\n',
  lineEnds: 'a\r\nb\rc\n\r\n\r\nd\r\n- e\r\n',
  entities: '\\*不是强调\\* \\\\ a\\\nb  \nc\0\n',
  nested: '> 1. 一\n>    > 二\n>    ```\n>    三\n>    ```\n> - 四\n>\n> 五\n六\n\n- a\n  - b\n    - c\n\n      d\n\n e\n',
  english: "It's **bold**, _italic_, snake_case_name and 2 * 3 * 4.\n\nA [link][ref].\n\n[ref]: <https://example.com>\n",
};
