/** `browser.*` as a model sees them; the work is done in the browser host, `host-process.ts`. */
import { z } from 'zod';
import { cancellable } from '../cancellable.ts';
import { hasReadOutside, riskOfAddress, riskOfSending, WHY_ASKED } from '../outside.ts';
import type { ToolServices } from '../services.ts';
import { defineTool, type Tool, type ToolContext } from '../tool.ts';
import type { BrowserAction } from './job.ts';

/** Characters that are typed at once. */
const TEXT_LENGTH_MAX = 10_000;
/** Longest wait, in seconds. */
const WAIT_SECONDS_MAX = 30;

const ref = z
  .string()
  .regex(/^(f\d{1,4})?e\d{1,6}$/, 'a reference is such as e12 or f1e3')
  .describe('The reference of an element, from [ref=…] in the outline.');

export function browserTools(services: ToolServices): Tool[] {
  const browse = (action: BrowserAction, { signal, caller: { session, workspace } }: ToolContext): Promise<string> =>
    cancellable(services, signal, (call) => services.browse(call, { session, workspace, action }));
  return [
    defineTool({
      name: 'browser.open',
      group: 'browser',
      description:
        'Opens a public web page in the browser of this conversation and returns its outline: roles, names and references [ref=e12] of what is on it. Scripts run; for pages that only are to be read web.fetch is cheaper. Once you have read anything from outside, take addresses word for word from what the user wrote or the web tools found: any other waits for an operator.',
      input: z.strictObject({
        url: z.string().min(1).max(8_192).describe('A whole http or https URL.'),
        newPage: z.boolean().default(false).describe('Beside the page that is open, instead of in its place.'),
      }),
      risk: 'safe',
      riskOf: ({ url }, context) => riskOfAddress(url, context),
      binding: async ({ url }, context) => (riskOfAddress(url, context) === 'ask' ? WHY_ASKED : {}),
      safeToRepeat: true,
      returns: 'string',
      untrusted: true,
      handler: (input, context) => browse({ do: 'open', ...input }, context),
      sessionEnded: (session) => services.sessionDeleted(session),
    }),
    defineTool({
      name: 'browser.read',
      group: 'browser',
      description: 'The outline of the page that is open, as it is now.',
      input: z.strictObject({
        offset: z.int().min(0).default(0).describe('Where to go on in a long outline, in characters.'),
        page: z
          .int()
          .min(1)
          .max(100)
          .optional()
          .describe('Number of another open page, which becomes the current one.'),
      }),
      risk: 'safe',
      safeToRepeat: true,
      returns: 'string',
      untrusted: true,
      handler: (input, context) => browse({ do: 'read', ...input }, context),
    }),
    defineTool({
      name: 'browser.click',
      group: 'browser',
      description: 'Clicks an element of the page and returns the outline that comes of it.',
      input: z.strictObject({ ref }),
      risk: 'safe',
      safeToRepeat: false,
      returns: 'string',
      untrusted: true,
      handler: (input, context) => browse({ do: 'click', ...input }, context),
    }),
    defineTool({
      name: 'browser.type',
      group: 'browser',
      description:
        'Writes text into a field of the page, in place of what is there, and returns the outline that comes of it.',
      input: z.strictObject({
        ref,
        text: z.string().max(TEXT_LENGTH_MAX),
        submit: z.boolean().default(false).describe('Press Enter afterwards.'),
      }),
      risk: 'safe',
      riskOf: (_input, context) => riskOfSending(context),
      binding: async (_input, context) => (hasReadOutside(context) ? WHY_ASKED : {}),
      safeToRepeat: false,
      returns: 'string',
      untrusted: true,
      handler: (input, context) => browse({ do: 'type', ...input }, context),
    }),
    defineTool({
      name: 'browser.wait',
      group: 'browser',
      description: 'Waits until a text is on the page, or no longer, or only for a time; then returns the outline.',
      input: z.strictObject({
        text: z.string().min(1).max(500).optional().describe('Until this is there.'),
        gone: z.string().min(1).max(500).optional().describe('Until this is not there any more.'),
        seconds: z.number().min(0.1).max(WAIT_SECONDS_MAX).default(10).describe('At most.'),
      }),
      risk: 'safe',
      safeToRepeat: true,
      returns: 'string',
      untrusted: true,
      handler: (input, context) => browse({ do: 'wait', ...input }, context),
    }),
    defineTool({
      name: 'browser.screenshot',
      group: 'browser',
      description: 'Saves a picture of what the page shows now as a PNG file in the workspace, and returns its name.',
      input: z.strictObject({}),
      risk: 'safe',
      safeToRepeat: true,
      returns: 'string',
      untrusted: true,
      handler: (_input, context) => browse({ do: 'screenshot' }, context),
    }),
    defineTool({
      name: 'browser.close',
      group: 'browser',
      description: 'Closes the browser of this conversation. What its pages have stored, such as logins, stays.',
      input: z.strictObject({}),
      risk: 'safe',
      safeToRepeat: true,
      returns: 'string',
      handler: (_input, context) => browse({ do: 'close' }, context),
    }),
  ];
}
