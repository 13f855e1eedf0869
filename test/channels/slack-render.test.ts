/** Goal: Markdown says the same at Slack. Method: what mrkdwn has another form for, and texts that are cut into blocks. */
import { describe, expect, it } from 'vitest';
import { bodyOf, cut } from '../../src/channels/slack/body.ts';
import { render } from '../../src/channels/slack/render.ts';

describe('Markdown for Slack', () => {
  const CASES = [
    ['It is **five**, *by* `add(2, 3)` and ~~not~~ _so_.', 'It is *five*, _by_ `add(2, 3)` and ~not~ _so_.'],
    ['***both*** and **`code`**', '_*both*_ and *`code`*'],
    ['5**th** and **a**b', '5\u200b*th* and *a*\u200bb'],
    ['**two\nlines**', '*two*\n*lines*'],
    ['# One **bold**\n\ntext', '*One bold*\n\ntext'],
    ['1 < 2 & 3 > 2, Array<string>', '1 &lt; 2 &amp; 3 &gt; 2, Array&lt;string&gt;'],
    ['<!channel> <@U123> <!subteam^S1>', '&lt;!channel&gt; &lt;@U123&gt; &lt;!subteam^S1&gt;'],
    ['[all](!channel) [you](@U123) [x](javascript:a)', 'all (!channel) you (@U123) x (javascript:a)'],
    ['[a *page*](https://a.example/?b=1&c=2)', '<https://a.example/?b=1&amp;c=2|a page>'],
    ['[a|b](https://a.example/|x)', '<https://a.example/%7Cx|a|b>'],
    ['https://a.example and <https://b.example>', '<https://a.example> and <https://b.example>'],
    ['[https://a.example](https://a.example)', '<https://a.example>'],
    ['[here][1]\n\n[1]: https://a.example', '<https://a.example|here>'],
    ['![a cat](https://a.example/cat.png)', '<https://a.example/cat.png|a cat>'],
    ['```js\nif (1 < 2) {}\n```\n\ntext', '```\nif (1 &lt; 2) {}\n```\n\ntext'],
    ['~~~\na ``` b\n~~~', '```\na `\u200b`` b\n```'],
    ['``a ` b``', 'a ` b'],
    ['- one\n- two\n  - three\n\n1. first\n2. second', '• one\n• two\n    • three\n\n1. first\n2. second'],
    ['3. three\n4. four', '3. three\n4. four'],
    ['- [x] done\n- [ ] open', '☑ done\n☐ open'],
    ['> quoted\n> **twice**\n\ntext', '> quoted\n> *twice*\n\ntext'],
    ['one\n\n---\n\ntwo', 'one\n\n———\n\ntwo'],
    ['a<br>b', 'a\nb'],
    ['snake_case_name 2 * 3 * 4', 'snake_case_name 2 * 3 * 4'],
    ['नमस्ते 👩‍👩‍👧 مرحبا', 'नमस्ते 👩‍👩‍👧 مرحبا'],
  ] as const;
  it.each(CASES)('is mrkdwn: %j', (markdown, expected) => {
    expect(render(markdown)).toBe(expected);
  });

  it('shows a table as a block with columns', () => {
    const table = '| Name | Count |\n|:--|--:|\n| **Ada** | 5 |\n| `Bob` | 1234 |\n\ntext';
    expect(render(table)).toBe('```\nName | Count\n-----+------\nAda  |     5\nBob  |  1234\n```\n\ntext');
  });

  it('is shown as it is where it cannot be read, or says nothing', () => {
    expect(render('>'.repeat(3_900))).toBeUndefined();
    expect(render('[1]: https://a.example')).toBeUndefined();
    const { text, blocks } = bodyOf('[1]: https://a.example');
    expect(text).toBe('[1]: https://a.example');
    expect(blocks).toEqual([
      { type: 'section', text: { type: 'plain_text', text: '[1]: https://a.example' }, expand: true },
    ]);
  });
});

describe('a text in blocks', () => {
  it('is cut between lines, or words, or anywhere but within a link, an entity or a letter', () => {
    const lines = cut(`${'x'.repeat(2_000)}\n${'y'.repeat(2_000)}`);
    expect(lines).toEqual(['x'.repeat(2_000), 'y'.repeat(2_000)]);
    expect(cut(`${'x'.repeat(2_990)} ${'y'.repeat(100)}`)).toEqual(['x'.repeat(2_990), 'y'.repeat(100)]);
    for (const unit of ['&amp;', '<https://a.example>', '👩']) {
      const pieces = cut(unit.repeat(1_601));
      expect(pieces.join('')).toBe(unit.repeat(1_601));
      for (const piece of pieces) {
        expect(piece.length).toBeLessThanOrEqual(3_000);
        expect(piece.length % unit.length).toBe(0);
      }
    }
  });

  it('has a code block go on in the next piece', () => {
    const pieces = cut(`\`\`\`\n${'let x = 1;\n'.repeat(400)}\`\`\``);
    expect(pieces.length).toBe(2);
    for (const piece of pieces) {
      expect(piece).toMatch(/^```\n[^`]*\n```$/);
      expect(piece.length).toBeLessThanOrEqual(3_000);
    }
  });
});
