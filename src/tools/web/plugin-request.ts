/** A request of a plugin, in a thread of the web tools: raw, and only to the hosts the plugin was given. */
import type { NetworkRules } from './network.ts';
import { request } from './request.ts';
import { decode } from './text.ts';

/** Of an answer. With what stands around it, it has to fit into a line to a sandbox host. */
export const ANSWER_BYTES_MAX = 256 * 1024;

export interface PluginRequestJob {
  url: string;
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  headers: Readonly<Record<string, string>>;
  body?: string | undefined;
  /** Names, or `*.example.org`. Redirects are held to them too. */
  hosts: readonly string[];
}

export interface PluginResponse {
  url: string;
  status: number;
  headers: Readonly<Record<string, string>>;
  text: string;
  /** There was more. */
  cut: boolean;
}

/** Throws as `request` does. */
export async function requestForPlugin(
  job: PluginRequestJob,
  rules: NetworkRules,
  signal: AbortSignal,
): Promise<PluginResponse> {
  const answer = await request({ ...job, bytesMax: ANSWER_BYTES_MAX }, rules, signal);
  const { status, headers, body, cut } = answer;
  return { url: answer.url.href, status, headers, text: decode(body, headers['content-type']), cut };
}
