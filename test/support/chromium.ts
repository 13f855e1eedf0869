import { findChromium } from '../../src/tools/browser/chromium.ts';

/** Why tests of the browser cannot run here; undefined: they can. */
export const missingChromium: string | undefined = await findChromium(undefined).then(
  () => undefined,
  (error: Error) => error.message,
);

/** For the titles of tests that need it: why they are skipped, if they are. */
export const chromiumNote = missingChromium === undefined ? '' : ` (${missingChromium})`;
