/** What code of a plugin may have done for it during a call, wherever it runs: no more than it was given. */
import { z } from 'zod';
import { cancellable } from '../tools/cancellable.ts';
import type { ToolServices } from '../tools/services.ts';
import type { ToolContext } from '../tools/tool.ts';
import type { PluginResponse } from '../tools/web/plugin-request.ts';
import type { PluginGrants } from './offer.ts';

/** Characters of what is sent. */
const BODY_LENGTH_MAX = 256 * 1024;
const HEADERS_MAX = 32;
const HEADER_LENGTH_MAX = 4_096;
/** They belong to the connection, and could smuggle another request into it. */
const OWN_HEADERS =
  /^(host|connection|content-length|transfer-encoding|keep-alive|upgrade|te|trailer|expect|proxy-.*)$/;

const asked = z.strictObject({
  url: z.string().min(1).max(8_192),
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']).default('GET'),
  headers: z
    .record(
      z
        .string()
        .max(128)
        .regex(/^[\w!#$%&'*+.^`|~-]+$/, 'must be the name of a header')
        .refine((name) => !OWN_HEADERS.test(name.toLowerCase()), 'is set by the gateway'),
      z
        .string()
        .max(HEADER_LENGTH_MAX)
        .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'must be text of one line'),
    )
    .refine((headers) => Object.keys(headers).length <= HEADERS_MAX, `there may be ${HEADERS_MAX} headers`)
    .default({}),
  body: z.string().max(BODY_LENGTH_MAX).optional(),
});

export interface CapabilityContext {
  plugin: string;
  grants: PluginGrants;
  services: Pick<ToolServices, 'request' | 'cancel'>;
}

/** Sends a request by the rules of the web tools, to a host the plugin was given. Throws in words. */
export async function fetchFor(
  { plugin, grants, services }: CapabilityContext,
  input: unknown,
  signal: AbortSignal,
): Promise<PluginResponse> {
  const parsed = asked.safeParse(input);
  if (!parsed.success) {
    const what = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'it'}: ${message}`).join('; ');
    throw new TypeError(`this is no request that can be sent: ${what}`);
  }
  const { hosts } = grants;
  if (hosts.length === 0) throw new Error(`the plugin ${plugin} may not use the network: it has no allow.hosts`);
  const headers = Object.fromEntries(
    Object.entries(parsed.data.headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  return cancellable(services, signal, (call) => services.request(call, { ...parsed.data, headers, hosts }));
}

/** Makes a call of a tool that the plugin was given and that the session may call. Throws what the tool has failed with. */
export async function callToolFor(
  { plugin, grants }: CapabilityContext,
  context: ToolContext,
  call: { name: unknown; input: unknown; number: number },
  signal: AbortSignal,
): Promise<unknown> {
  const name = String(call.name);
  if (!grants.tools.includes(name)) {
    throw new Error(`the plugin ${plugin} may not call ${name}: its allow.tools in the configuration has it not`);
  }
  const made = { id: `${context.call}.${call.number}`, name, input: call.input ?? {} };
  const { output, failed, json } = await context.callTool(made, { ...context, signal });
  if (failed) throw new Error(output);
  if (json === 'cut') throw new Error(`the result of ${name} is too long: ask for less of it`);
  return json === 'whole' ? JSON.parse(output) : output;
}
