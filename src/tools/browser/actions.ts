/** What can be done with a page, by Playwright. Each says what there is to see then. */
import { errors, type Locator, type Page } from 'playwright-core';
import type { NetworkRules } from '../web/network.ts';
import { firstLine } from './chromium.ts';
import type { BrowserAction, Caller } from './job.ts';
import { keepScreenshot } from './screenshots.ts';

/** How long a page may take to load, in milliseconds. */
const LOAD_MS = 30_000;
/** How long an element may take to be there and hold still, in milliseconds. */
const ELEMENT_MS = 5_000;
/** How long a page is waited for to come to rest after something was done, in milliseconds. */
const SETTLE_MS = 2_000;
/** Of one outline, in milliseconds and in characters. A frame that never loads is waited for so long, and left out. */
const OUTLINE_MS = 5_000;
const OUTLINE_LENGTH_MAX = 20_000;
/** Of a screenshot. */
const SCREENSHOT_BYTES_MAX = 8 * 1024 * 1024;

interface ActionParts {
  rules: NetworkRules;
  caller: Caller;
  screenshotsMax: number;
}

export async function act(page: Page, action: BrowserAction, parts: ActionParts): Promise<string> {
  switch (action.do) {
    case 'open':
      await open(page, parts.rules.parse(action.url).href);
      return outline(page, 0);
    case 'read':
      return outline(page, action.offset);
    case 'click':
      await onElement(page, action.ref, (element) => element.click({ timeout: ELEMENT_MS }));
      return outline(page, 0);
    case 'type':
      await onElement(page, action.ref, async (element) => {
        await element.fill(action.text, { timeout: ELEMENT_MS });
        if (action.submit) await element.press('Enter', { timeout: ELEMENT_MS });
      });
      return outline(page, 0);
    case 'wait':
      return wait(page, action);
    case 'screenshot':
      return screenshot(page, parts);
    case 'close':
      return '';
  }
}

/** Until the page is at rest, or soon: many never are. */
export async function settle(page: Page): Promise<void> {
  await page.waitForLoadState('load', { timeout: SETTLE_MS }).catch(() => undefined);
}

async function open(page: Page, url: string): Promise<void> {
  try {
    await page.goto(url, { timeout: LOAD_MS, waitUntil: 'domcontentloaded' });
  } catch (error) {
    const text = firstLine(error);
    const code = /net::(ERR_[A-Z_]+)/.exec(text)?.[1];
    if (code === undefined && !(error instanceof errors.TimeoutError)) throw new Error('the page cannot be opened');
    throw new Error(
      code === undefined ? `the page did not load within ${LOAD_MS / 1_000} s` : `the page cannot be opened (${code})`,
    );
  }
  await settle(page);
}

/** The page as assistive technology has it: roles, names, and `[ref=e12]` for what can be acted on. */
async function outline(page: Page, offset: number): Promise<string> {
  await settle(page);
  const text = await page.ariaSnapshot({ mode: 'ai', timeout: OUTLINE_MS }).catch((cause: unknown) => {
    throw new Error('the page cannot be read now: wait for it with browser.wait, then read it again', { cause });
  });
  const end = Math.min(text.length, offset + OUTLINE_LENGTH_MAX);
  const rest =
    end < text.length
      ? `\n[characters ${offset} to ${end} of ${text.length}; browser.read with offset ${end} goes on]`
      : '';
  return text.slice(offset, end) + rest;
}

/** By the reference of the last outline; Playwright knows those no more once the page is another. */
async function onElement(page: Page, ref: string, work: (element: Locator) => Promise<void>): Promise<void> {
  const element = page.locator(`aria-ref=${ref}`);
  const gone = `there is no element ${ref} on the page now: read it again with browser.read and use a reference from there`;
  if ((await element.count().catch(() => 0)) === 0) throw new Error(gone);
  try {
    await work(element);
  } catch (error) {
    if (error instanceof errors.TimeoutError) {
      throw new Error(`the element ${ref} cannot be used: it is covered, disabled or moving; read the page again`);
    }
    throw new Error(`the element ${ref} cannot be used so: it may be of another kind, or gone; read the page again`, {
      cause: error,
    });
  }
  await settle(page);
}

async function wait(page: Page, { text, gone, seconds }: Extract<BrowserAction, { do: 'wait' }>): Promise<string> {
  const timeout = seconds * 1_000;
  const started = performance.now();
  try {
    if (text !== undefined) await page.getByText(text).first().waitFor({ state: 'visible', timeout });
    const left = Math.max(1, timeout - (performance.now() - started));
    if (gone !== undefined) await page.getByText(gone).first().waitFor({ state: 'hidden', timeout: left });
    if (text === undefined && gone === undefined) await page.waitForTimeout(timeout);
  } catch (error) {
    if (!(error instanceof errors.TimeoutError)) throw new Error('the page went away while it was waited for');
    const what = text === undefined || (await page.getByText(text).count()) > 0 ? `did not go` : 'did not come';
    throw new Error(`what was waited for ${what} within ${seconds} s; browser.read shows what is there`);
  }
  return outline(page, 0);
}

/** A tool's result is text, so it becomes a file. */
async function screenshot(page: Page, { caller, screenshotsMax }: ActionParts): Promise<string> {
  const image = await page.screenshot({ type: 'png', timeout: LOAD_MS, animations: 'disabled' });
  if (image.length > SCREENSHOT_BYTES_MAX) throw new Error('the screenshot is too large to keep');
  return keepScreenshot(caller, image, screenshotsMax);
}
