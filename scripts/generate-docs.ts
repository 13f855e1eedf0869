/** `npm run docs`: writes the files that are made from the code. A test fails when one of them is stale. */
import { writeFileSync } from 'node:fs';
import { GENERATED } from './generated-docs.ts';

for (const [path, text] of Object.entries(GENERATED)) writeFileSync(new URL(`../${path}`, import.meta.url), text());
