/**
 * A page as text a model can read: headings, lists, code and links as Markdown has them. The main part of it by Mozilla's
 * Readability (the reader view of Firefox), or all of it. Only to be run in the web's own threads: a page of 2 MB takes seconds.
 */
import { Readability } from '@mozilla/readability';
import { parseHTML } from 'linkedom';

/** A main part shorter than this, in characters, is taken for a mistake where the page has much more. */
const MAIN_PART_MIN = 200;
/** Elements inside each other; what is deeper is given as plain text. */
const DEPTH_MAX = 250;
/** A page with more of `<` is not taken apart at all: parsing a million takes minutes. */
const TAGS_MAX = 90_000;
/** A page with more elements, or more of them inside each other, is given whole: see `isOrdinary`. */
const ARTICLE_ELEMENTS_MAX = 20_000;
const ARTICLE_DEPTH_MAX = 100;
/** Characters of one address that are worth a model's tokens. */
const LINK_LENGTH_MAX = 500;

const LEFT_OUT = new Set(
  'SCRIPT STYLE NOSCRIPT TEMPLATE SVG HEAD TITLE IFRAME OBJECT CANVAS AUDIO VIDEO SELECT DIALOG'.split(' '),
);
const BLOCKS = new Set(
  'P DIV SECTION ARTICLE MAIN HEADER FOOTER NAV ASIDE UL OL TABLE FORM FIGURE FIGCAPTION ADDRESS DL DT DD DETAILS SUMMARY TBODY THEAD BODY'.split(
    ' ',
  ),
);

export interface ReadableText {
  title: string;
  text: string;
}

/** `whole`: all of the page instead of its main part. Never throws for what a page contains. */
export function readableText(html: string, url: string, whole: boolean): ReadableText {
  if (countTags(html) > TAGS_MAX) return stripped(html);
  try {
    return render(html, url, whole);
  } catch (error) {
    // Elements nested by the thousand overflow the stack of parsers that call themselves.
    if (error instanceof RangeError) return stripped(html);
    throw error;
  }
}

function countTags(html: string): number {
  let tags = 0;
  for (let at = html.indexOf('<'); at >= 0; at = html.indexOf('<', at + 1)) tags += 1;
  return tags;
}

function stripped(html: string): ReadableText {
  return { title: '', text: tidy(html.replace(/<[^<>]*>/g, ' ')) };
}

function render(html: string, url: string, whole: boolean): ReadableText {
  const { document } = parseHTML(completed(html));
  const base = URL.parse(document.querySelector('base[href]')?.getAttribute('href') ?? '', url)?.href ?? url;
  const title = tidy(document.querySelector('title')?.textContent ?? '');
  const all = new MarkdownText(base).of(document.body);
  if (whole || !isOrdinary(document.body)) return { title, text: all };
  // It takes the document apart, which nobody needs any more.
  const article = new Readability(document, { charThreshold: MAIN_PART_MIN, serializer: (node) => node }).parse();
  const main = article?.content ? new MarkdownText(base).of(article.content) : '';
  const enough = main.length >= Math.min(MAIN_PART_MIN, all.length / 2);
  return { title: article?.title ? tidy(article.title) : title, text: enough ? main : all };
}

/** linkedom adds none of the elements that a page may leave out: without html and body it would find nothing. */
function completed(html: string): string {
  const inside = html.replace(/<!doctype[^<>]*>|<\/?(?:html|head|body)(?:\s[^<>]*)?>/gi, '');
  return `<!doctype html><html><head></head><body>${inside}</body></html>`;
}

/** Readability's time grows with the third power of the depth: 1,000 elements inside each other take it 18 s. */
function isOrdinary(body: Element): boolean {
  let elements = 0;
  const open: [Element, number][] = [[body, 0]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [element, depth] = next;
    elements += 1;
    if (elements > ARTICLE_ELEMENTS_MAX || depth > ARTICLE_DEPTH_MAX) return false;
    for (const child of element.childNodes) if (child.nodeType === 1) open.push([child as Element, depth + 1]);
  }
  return true;
}

class MarkdownText {
  readonly #base: string;
  /** Pieces, because a string that grows and is looked into is copied every time. */
  readonly #pieces: string[] = [];

  constructor(base: string) {
    this.#base = base;
  }

  of(node: Node): string {
    this.#walk(node, 0);
    return this.#pieces
      .join('')
      .split('\n')
      .map((line) => line.trimEnd())
      .join('\n')
      .replace(/\n{3,}/g, '\n\n')
      .trim();
  }

  #walk(node: Node, depth: number): void {
    if (node.nodeType === 3) this.#word(node.textContent ?? '');
    else if (node.nodeType === 1) this.#element(node as Element, depth);
    else if (node.nodeType === 9 || node.nodeType === 11) this.#children(node, depth);
  }

  #children(node: Node, depth: number): void {
    if (depth > DEPTH_MAX) this.#word(node.textContent ?? '');
    else for (const child of node.childNodes) this.#walk(child, depth + 1);
  }

  #element(element: Element, depth: number): void {
    const name = element.tagName.toUpperCase();
    if (LEFT_OUT.has(name) || isHidden(element)) return;
    const heading = /^H([1-6])$/.exec(name)?.[1];
    if (heading !== undefined) this.#block(element, depth, `${'#'.repeat(Number(heading))} `);
    else if (name === 'LI') this.#line(element, depth, '- ');
    else if (name === 'BLOCKQUOTE') this.#block(element, depth, '> ');
    else if (name === 'TR') this.#line(element, depth, '| ');
    else if (name === 'PRE') this.#add(`\n\n\`\`\`\n${element.textContent ?? ''}\n\`\`\`\n\n`);
    else if (name === 'BR') this.#add('\n');
    else if (name === 'HR') this.#add('\n\n---\n\n');
    else if (name === 'A') this.#link(element, depth);
    else if (name === 'IMG') this.#image(element);
    else if (name === 'CODE') this.#add(`\`${tidy(element.textContent ?? '')}\``);
    else if (BLOCKS.has(name)) this.#block(element, depth, '');
    else {
      this.#children(element, depth);
      if (name === 'TD' || name === 'TH') this.#add(' | ');
    }
  }

  #block(element: Element, depth: number, mark: string): void {
    this.#add(`\n\n${mark}`);
    this.#children(element, depth);
    this.#add('\n\n');
  }

  #line(element: Element, depth: number, mark: string): void {
    this.#add(`\n${mark}`);
    this.#children(element, depth);
  }

  /** `[text](address)`; one without text or address says nothing. */
  #link(element: Element, depth: number): void {
    const start = this.#pieces.length;
    this.#children(element, depth);
    const inner = this.#pieces.splice(start).join('');
    const text = tidy(inner);
    const to = element.getAttribute('href') ?? '#';
    const href = to.startsWith('#') ? null : URL.parse(to, this.#base);
    if (
      text === '' ||
      href === null ||
      !/^(https?|mailto):$/.test(href.protocol) ||
      href.href.length > LINK_LENGTH_MAX
    ) {
      this.#add(inner);
    } else {
      this.#add(`${/^\s/.test(inner) ? ' ' : ''}[${text}](${href.href})${/\s$/.test(inner.slice(-1)) ? ' ' : ''}`);
    }
  }

  #image(element: Element): void {
    const description = tidy(element.getAttribute('alt') ?? '');
    if (description !== '') this.#add(`[image: ${description}]`);
  }

  /** As a browser shows it: one space for any white space. */
  #word(text: string): void {
    const word = text.replace(/\s+/g, ' ');
    const afterSpace = /^\s?$/.test(this.#pieces.at(-1)?.slice(-1) ?? '');
    this.#add(afterSpace ? word.trimStart() : word);
  }

  #add(text: string): void {
    if (text !== '') this.#pieces.push(text);
  }
}

/** What a reader doesn't see is where instructions for models are hidden. */
function isHidden(element: Element): boolean {
  if (element.hasAttribute('hidden') || element.getAttribute('aria-hidden') === 'true') return true;
  const style = element.getAttribute('style') ?? '';
  return /(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])|opacity\s*:\s*0(?![.\d]))/i.test(
    style,
  );
}

function tidy(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
