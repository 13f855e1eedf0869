/** What the front end tells the threads of a plugin, and they tell it. */
import type { PluginConfig } from '../config/plugins.ts';
import type { ManifestTool } from './manifest.ts';

/** What code of a plugin is given, whatever it is. */
export interface PluginGrants {
  /** Checked, with defaults. */
  settings: Record<string, unknown>;
  /** Variables of the environment that it asked for and was given. */
  env: Record<string, string>;
  hosts: readonly string[];
  tools: readonly string[];
  /** Taken out of all it says. */
  secrets: readonly string[];
}

/** Code that runs in the gateway's process: a module by its URL, which is another one with each load. */
export interface TrustedModule {
  url: string;
}

/** ES modules for a sandbox, by path. */
export interface SandboxedModules {
  entry: string;
  files: Readonly<Record<string, string>>;
}

/** What a shard has of a plugin. Without tools and provider: it is gone, or has failed. */
export interface PluginOffer {
  plugin: string;
  /** Another one for each load of any plugin. */
  generation: number;
  /** How it is, for a model that calls a tool which is not there. */
  state: string;
  grants: PluginGrants;
  tools?: { list: readonly ManifestTool[]; code: SandboxedModules | TrustedModule };
  provider?: TrustedModule;
  /** Its channel, as the configuration would have one of the operator's own. */
  channel?: PluginConfig['channel'] & { module: string; webhook: boolean; settings: Record<string, unknown> };
}

/** What the thread that serves a plugin's routes is told. */
export interface PluginThreadData {
  plugin: string;
  grants: PluginGrants;
  logLevel: string;
  routes: TrustedModule;
}
