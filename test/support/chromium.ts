import { findChromium } from '../../src/tools/browser/chromium.ts';

/** Why tests of the browser cannot run here; undefined: they can. */
export const missingChromium: string | undefined = await findChromium(undefined).then(
  () => undefined,
  (error: Error) => error.message,
);
