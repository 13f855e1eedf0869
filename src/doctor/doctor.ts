import { existsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError } from '../config/config-error.ts';
import type { Environment, Flags } from '../config/environment.ts';
import { loadConfig } from '../config/load.ts';
import { type Config, configSchema } from '../config/schema.ts';
import { DhaavakError } from '../protocol/errors.ts';
import type { GatewayStatus, StoreCheck } from '../protocol/messages.ts';
import { checkStore } from '../storage/check.ts';
import { lockFolder } from '../storage/lock.ts';
import { STORE_FILE } from '../storage/page-file.ts';
import { repairStore } from '../storage/repair.ts';
import { type Finding, ok, warning, wrong } from './finding.ts';
import { checkDisk, checkLeftovers, checkModes, checkNode, checkSecrets, checkStarts, checkTls } from './home.ts';
import { mcpFinding } from './mcp.ts';
import { checkMemory, memoryFinding } from './memory.ts';
import { repairFinding, storeFindings, unseen } from './store.ts';

export interface DoctorOptions {
  flags: Flags;
  env: Environment;
  /** Repairs what can be repaired without harm. */
  fix: boolean;
  /** Asks the gateway that runs on the folder. Rejects when it does not answer. */
  askGateway(): Promise<{ status: GatewayStatus; check: StoreCheck }>;
}

/** Looks over a data folder and, where one runs on it, its gateway. Never throws for what it finds. */
export async function examine({ flags, env, fix, askGateway }: DoctorOptions): Promise<Finding[]> {
  const findings: Finding[] = [checkNode()];
  const config = await configured(flags, env, findings);
  const { home } = config;
  if (!existsSync(home) || !statSync(home).isDirectory()) {
    findings.push(warning('folder', `there is no folder ${home}: the first start makes it`), ...checkTls(config));
    return findings;
  }
  findings.push(...checkModes(home, fix), ...(await checkSecrets(config)), ...checkTls(config), checkDisk(home));
  let unlock: (() => void) | undefined;
  try {
    unlock = lockIfFree(home);
  } catch (error) {
    findings.push(wrong('folder', `${home} cannot be used: ${(error as Error).message}`));
    return findings;
  }
  try {
    findings.push(await checkStarts(home, unlock === undefined));
    findings.push(...checkLeftovers(home, fix));
    if (unlock === undefined) findings.push(...(await askedFindings(askGateway)));
    else
      findings.push(
        ok('gateway', 'none runs on this folder'),
        ...(await storeOf(home, fix)),
        ...checkMemory(home, fix),
      );
  } finally {
    unlock?.();
  }
  return findings;
}

/** The configuration, or for one that cannot be used the defaults with the folder that was meant. */
async function configured(flags: Flags, env: Environment, findings: Finding[]): Promise<Config> {
  try {
    const { config, file } = await loadConfig({ flags, env });
    findings.push(ok('configuration', file ?? 'no file: the defaults'));
    return config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    findings.push(...error.problems.map((problem) => wrong('configuration', problem)));
    const home = flags.home ?? (env.DHAAVAK_HOME || join(homedir(), '.dhaavak'));
    return { ...configSchema.parse({}), home: resolve(home) };
  }
}

/** Takes the folder, so that no gateway starts while its store is looked at. Undefined: one runs. */
function lockIfFree(home: string): (() => void) | undefined {
  try {
    return lockFolder(home);
  } catch (error) {
    if (error instanceof DhaavakError && error.code === 'in_use') return undefined;
    throw error;
  }
}

async function askedFindings(askGateway: DoctorOptions['askGateway']): Promise<Finding[]> {
  try {
    const { status, check } = await askGateway();
    const { trouble, version } = status;
    const gateway =
      trouble === null
        ? ok('gateway', `version ${version} runs and is ready`)
        : wrong('gateway', `version ${version} runs and is not ready: ${trouble}`);
    return [gateway, ...status.mcp.map(mcpFinding), ...status.memory.map(memoryFinding), ...storeFindings(check, true)];
  } catch (error) {
    const why = (error as Error).message;
    return [wrong('gateway', `one runs on this folder and does not answer as it should: ${why}`), unseen(why)];
  }
}

async function storeOf(home: string, fix: boolean): Promise<Finding[]> {
  if (!existsSync(join(home, STORE_FILE))) return [ok('store', 'there is none yet: the first start makes it')];
  try {
    return await lookedThrough(home, fix);
  } catch (error) {
    return [wrong('store', (error as Error).message)];
  }
}

async function lookedThrough(home: string, fix: boolean): Promise<Finding[]> {
  const check = checkStore(home);
  const isSound = check.structure.damages === 0 && check.damagedTotal === 0;
  if (isSound || !fix) return storeFindings(check, false);
  const { file, removed, salvaged } = await repairStore(home);
  return [...repairFinding(removed, file, salvaged?.aside), ...storeFindings(checkStore(home), false)];
}
