/** What the configuration says of the tools `web.*` and `browser.*`. */
import { z } from 'zod';
import { parseAllowedHost } from './allowed-host.ts';

const count = z.int().min(1);

export const webSchema = z
  .strictObject({
    /** Hosts and networks that are open although they are not on the public internet, or for a port of their own. */
    allow: z
      .array(
        z
          .string()
          .max(300)
          .refine(
            (text) => parseAllowedHost(text) !== undefined,
            'must be a host name or network, with a port or without, such as wiki.example.org, 10.0.0.0/8 or 10.1.2.3:3000',
          ),
      )
      .max(1_000)
      .default([]),
    ports: z.array(z.int().min(1).max(65_535)).min(1).max(100).default([80, 443, 8_080, 8_443]),
    search: z
      .strictObject({
        braveApiKey: z.string().min(1).max(4_096).optional(),
        braveUrl: z.url({ protocol: /^https?$/ }).default('https://api.search.brave.com/res/v1'),
        searxngUrl: z.url({ protocol: /^https?$/ }).optional(),
      })
      .prefault({}),
  })
  .prefault({});

export const browserSchema = z
  .strictObject({
    /** Undefined: looked for in the usual places. */
    executable: z.string().min(1).max(4_096).optional(),
    sessionsMax: count.max(100).default(4),
    pagesMax: count.max(50).default(8),
    profilesMax: count.max(10_000).default(100),
    screenshotsMax: count.max(1_000).default(20),
    memoryMbMax: z.int().min(256).max(65_536).default(1_024),
    idleMs: z
      .int()
      .min(1_000)
      .max(24 * 3_600_000)
      .default(300_000),
  })
  .prefault({});
