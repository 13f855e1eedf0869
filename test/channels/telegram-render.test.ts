/** Goal: any Markdown reaches Telegram as HTML it takes, within its limits, and nothing that was said is lost. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { render } from '../../src/channels/telegram/render.ts';
import { parseHtml } from '../support/telegram-html.ts';

const MAX = 4_096;

describe('Markdown for Telegram', () => {
  it.each([
    ['plain', 'a < b & "c"', 'a &lt; b &amp; &quot;c&quot;'],
    ['emphasis', '**b** __b__ *i* _i_ ~~s~~ ***bi***', '<b>b</b> <b>b</b> <i>i</i> <i>i</i> <s>s</s> <i><b>bi</b></i>'],
    ['snake_case, and stars with spaces', 'snake_case_name 2 * 3 * 4', 'snake_case_name 2 * 3 * 4'],
    ['escapes', '\\*not\\* &amp; &copy;', '*not* &amp;amp; &amp;copy;'],
    ['code', '`a < b`', '<code>a &lt; b</code>'],
    ['a heading', '# Title *now*\ntext', '<b>Title <i>now</i></b>\n\ntext'],
    ['paragraphs and lines', 'one\ntwo  \nthree\n\n\nfour', 'one\ntwo\nthree\n\nfour'],
    ['a block of code', '```\na <b>\n\n  b\n```', '<pre>a &lt;b&gt;\n\n  b</pre>'],
    ['one with a language', '```c++ file.cc\nx\n```', '<pre><code class="language-c++">x</code></pre>'],
    ['one that is not finished', 'so:\n```js\nlet a', 'so:\n\n<pre><code class="language-js">let a</code></pre>'],
    ['a language that is none', '```"><b>\nx\n```', '<pre>x</pre>'],
    [
      'a link',
      '[so "it" is](https://a.b/?c=1&d="2")',
      '<a href="https://a.b/?c=1&amp;d=&quot;2&quot;">so &quot;it&quot; is</a>',
    ],
    ['a bare link', 'see https://a.b/c_d_e?f=1&g=2.', 'see https://a.b/c_d_e?f=1&amp;g=2.'],
    ['a link that leads nowhere', '[file](./a.txt) [x](javascript:alert)', 'file (./a.txt) x (javascript:alert)'],
    ['a link by reference', '[a][1]\n\n[1]: https://a.b', '<a href="https://a.b">a</a>'],
    ['a picture', '![a cat](https://a.b/c.png)', '<a href="https://a.b/c.png">a cat</a>'],
    ['a list', '- a\n- **b**\n- c', '• a\n• <b>b</b>\n• c'],
    ['a numbered list', '3. a\n4. b', '3. a\n4. b'],
    ['lists in lists', '- a\n  - b\n    1. c\n- d', '• a\n   • b\n      1. c\n• d'],
    ['a list with paragraphs and code', '1. a\n\n   b\n\n   ```\n   c\n   ```\n2. d', '1. a\nb\n<pre>c</pre>\n2. d'],
    ['tasks', '- [ ] a\n- [x] b', '☐ a\n☑ b'],
    ['a quote', '> a\n> **b**\n\nc', '<blockquote>a\n<b>b</b></blockquote>\n\nc'],
    ['a quote in a quote', '> a\n>\n> > b', '<blockquote>a\n\nb</blockquote>'],
    ['a rule', 'a\n\n---\n\nb', 'a\n\n———\n\nb'],
    ['HTML', '<u>a</u> <br> <script>x</script>', '&lt;u&gt;a&lt;/u&gt; &lt;br&gt; &lt;script&gt;x&lt;/script&gt;'],
    ['a block of HTML', '<div>\na\n</div>', '&lt;div&gt;\na\n&lt;/div&gt;'],
    [
      'a table',
      '| n | word |\n|--:|:-----|\n| 1 | **a** |\n| 10 | `b<` |',
      '<pre> n | word\n---+-----\n 1 | a\n10 | b&lt;</pre>',
    ],
  ])('renders %s', (_, markdown, html) => {
    expect(render(markdown, MAX)).toEqual({ text: html, html: true });
    expect(() => parseHtml(html)).not.toThrow();
  });

  it.each([
    ['nothing would be shown', '[1]: https://a.b'],
    ['there is nothing', ''],
    ['it is longer when rendered', `| ${'a'.repeat(30)} | b |\n|---|---|\n${'| a | b |\n'.repeat(200)}`],
    ['it cannot be read', '>'.repeat(MAX)],
  ])('leaves a text as it is when %s', (_, markdown) => {
    expect(render(markdown, MAX)).toEqual({ text: markdown, html: false });
  });

  it('counts what is shown, not the tags', () => {
    expect(render(`**${'a'.repeat(10)}**`, 10).html).toBe(true);
    expect(render(`**${'a'.repeat(11)}**`, 10).html).toBe(false);
    expect(render('**<&>"**', 4).html).toBe(true);
  });

  it('gives for any text HTML that Telegram takes, no longer than it may be, with every word in it', () => {
    const bits = [
      '*',
      '**',
      '_',
      '~~',
      '`',
      '```\n',
      '\n',
      '\n\n',
      '# ',
      '- ',
      '1. ',
      '> ',
      '|',
      '|-|-|\n',
      '[',
      '](',
      ')',
      '<',
      '>',
      '&',
      '"',
      '\\',
      '![',
      'https://a.b/',
      '<b>',
      '&lt;',
      '😀',
      'न',
      '  ',
      '\t',
      '\0',
    ];
    const words = fc.stringMatching(/^[a-z]{1,8}$/);
    const text = fc.array(fc.oneof(words, fc.constantFrom(...bits)), { maxLength: 60 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (markdown) => {
        const { text: rendered, html } = render(markdown, 200);
        const shown = html ? parseHtml(rendered).text : rendered;
        if (html) expect(shown.length).toBeLessThanOrEqual(200);
        else expect(shown).toBe(markdown);
        // What stands behind the opening of a code block is not shown, nor is a block with nothing in it.
        const said = /```|~~~/.test(markdown) ? '' : markdown;
        for (const [word] of said.matchAll(/[a-z]+/g)) expect(rendered).toContain(word);
      }),
      { numRuns: 2_000 },
    );
  });
});
