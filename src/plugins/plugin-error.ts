/** Why a plugin cannot be used, in words for its operator and without its secrets. */
export class PluginError extends Error {
  override readonly name = 'PluginError';
}
