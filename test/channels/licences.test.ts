/** Goal: `docs/licences.md` says what is true of the packages that are installed to run Dhaavak. */
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { z } from 'zod';

const FREE = /^(MIT|ISC|0BSD|BSD-2-Clause|BSD-3-Clause|Apache-2\.0|Unlicense|BlueOak-1\.0\.0)$/;

const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({ license: z.string().optional(), dev: z.boolean().optional(), optional: z.boolean().optional() }),
  ),
});

it('names every package under a licence that asks for more, and all of them are optional', async () => {
  const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
  const { packages } = lockSchema.parse(JSON.parse(await read('package-lock.json')));
  const asking = Object.entries(packages).filter(([, { dev, license }]) => !dev && !FREE.test(license ?? ''));
  const names = asking.map(([path]) => path.replace(/^.*node_modules\//, '').replace(/^@img\/sharp-.*/, '@img/sharp-'));
  expect([...new Set(names)].sort()).toEqual(['@img/sharp-', 'libsignal']);
  expect(asking.filter(([, { optional }]) => !optional)).toEqual([]);
  const page = await read('docs/licences.md');
  for (const name of names) expect(page).toContain(name);
});
