/** What a plugin is given: of what its manifest asks for, what its entry in the configuration allows. */
import type { PluginConfig } from '../config/plugins.ts';
import type { Manifest } from './manifest.ts';
import type { PluginGrants } from './offer.ts';
import { readSettings, secretsOf } from './settings.ts';

/** @returns the grants, and a note for each thing it asks for and was not given. Throws a PluginError for wrong settings. */
export function grantsOf(
  name: string,
  { needs, settings: schema }: Pick<Manifest, 'needs' | 'settings'>,
  { allow, settings: given }: Pick<PluginConfig, 'allow' | 'settings'>,
  variables: Readonly<Record<string, string | undefined>>,
): { grants: PluginGrants; notes: string[] } {
  const settings = readSettings(name, schema, given);
  const notes: string[] = [];
  const both = (kind: 'hosts' | 'tools' | 'env'): string[] =>
    needs[kind].filter((one) => {
      if (allow[kind].includes(one)) return true;
      notes.push(`it asks for ${one}, which plugins.${name}.allow.${kind} has not`);
      return false;
    });
  const env: Record<string, string> = {};
  const [hosts, tools, names] = [both('hosts'), both('tools'), both('env')];
  for (const variable of names) {
    const value = variables[variable];
    if (value === undefined) notes.push(`the variable ${variable} is not set`);
    else env[variable] = value;
  }
  const secrets = [...secretsOf(schema, settings), ...Object.values(env)];
  return { grants: { settings, env, hosts, tools, secrets }, notes };
}
