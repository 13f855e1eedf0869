/** Goal: Markdown says the same at Discord. Method: what Discord does not know, and what has to stay as it is. */
import { describe, expect, it } from 'vitest';
import { render, TEXT_LENGTH_MAX } from '../../src/channels/discord/render.ts';

describe('Markdown for Discord', () => {
  const SAME = [
    'It is **five**, *by* `add(2, 3)` and ~~not~~ _so_.',
    '# One\n\n## Two\n\n### Three\n\ntext',
    '```ts\nconst a: Array<string> = b || c;\n```',
    '> quoted\n> **twice**\n\ntext',
    '- one\n- two\n  - three\n\n1. first\n2. second\n\ntext',
    'see https://example.org/a?b=1&c=2 and <https://example.org> and [here](https://example.org)',
    '1 < 2 & 3 > 2, Array<string>, a * b * c, snake_case_name, \\*not\\*',
    'नमस्ते 👩‍👩‍👧 مرحبا',
  ];
  it.each(SAME)('stays as it is: %j', (markdown) => {
    expect(render(markdown)).toBe(markdown);
  });

  const OTHER = [
    ['#### Deep **one**\n\ntext', '**Deep one**\n\ntext'],
    ['Title\n===\n\ntext', '# Title\n\ntext'],
    ['__strong__ and ~gone~', '**strong** and ~~gone~~'],
    ['~~~py\nx = 1\n~~~\n\ntext', '```py\nx = 1\n```\n\ntext'],
    ['text\n\n    x = 1\n    y = 2\n\ntext', 'text\n\n```\nx = 1\ny = 2\n```\n\ntext'],
    ['~~~\na ``` b\n~~~', '```\na `\u200b`` b\n```'],
    ['a || b || c', 'a \\|\\| b \\|\\| c'],
    ['![a cat](https://example.org/cat.png)', '[a cat](https://example.org/cat.png)'],
    ['![](https://example.org/cat.png)', '[image](https://example.org/cat.png)'],
    ['[here](https://example.org "a title")', '[here](https://example.org)'],
    ['[write](mailto:ada@example.org)', 'write (mailto:ada@example.org)'],
    ['[https://example.org](https://example.org)', 'https://example.org'],
    ['[here][1]\n\n[1]: https://example.org', '[here](https://example.org)'],
    ['a<br>b <b>bold</b> <i>it</i> <u>under</u> <kbd>K</kbd>', 'a\nb **bold** *it* __under__ <kbd>K</kbd>'],
    ['is 1 <b> 2?', 'is 1 <b> 2?'],
    ['Tom &amp; Jerry &lt;3', 'Tom & Jerry <3'],
    ['one\n\n---\n\ntwo', 'one\n\n───\n\ntwo'],
    ['- [x] done\n- [ ] open', '- ☑ done\n- ☐ open'],
    ['- a || b\n  more\n- c', '- a \\|\\| b\n  more\n- c'],
    ['> a || b\n> c', '> a \\|\\| b\n> c'],
  ];
  it.each(OTHER)('becomes what Discord knows: %j', (markdown, expected) => {
    expect(render(markdown!)).toBe(expected);
  });

  it('shows a table as a block with columns', () => {
    const table = '| Name | Count |\n|:--|--:|\n| **Ada** | 5 |\n| `Bob` | 1234 |\n\ntext';
    expect(render(table)).toBe('```\nName | Count\n-----+------\nAda  |     5\nBob  |  1234\n```\n\ntext');
  });

  it('stays as it is where rendering would make it too long', () => {
    const table = `| a | b |\n|---|---|\n${'| c | d |\n'.repeat(100)}| ${'x'.repeat(900)} | e |`;
    expect(table.length).toBeLessThan(TEXT_LENGTH_MAX);
    expect(render(table)).toBe(table);
  });
});
