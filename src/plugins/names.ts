/** All tools of plugins have names that begin so. */
export const PLUGIN_PREFIX = 'plugin.';

/** What agents know a tool of a plugin as. */
export function toolName(plugin: string, tool: string): string {
  return `${PLUGIN_PREFIX}${plugin}.${tool}`;
}
