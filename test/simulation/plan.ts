import { type Config, configSchema } from '../../src/config/schema.ts';
import { FOLLOW_UPS } from '../../src/protocol/vocabulary.ts';
import type { Moods } from './model.ts';
import type { Random } from './random.ts';
import { TOOLS } from './tools.ts';

/** What a seed decides before anything happens: how large a world is, how it is configured, what goes wrong in it. */
export interface Plan {
  config: Config;
  /** Session keys; the first is the main session's. */
  sessions: readonly string[];
  clients: number;
  /** What each client does, and the longest pause before each deed, in milliseconds. */
  deeds: number;
  thinkMs: number;
  moods: Moods;
  disk: { commitMs: number; flushMs: number };
  faults: Faults;
}

/** How often something goes wrong, as chances in each step of the world; 0 where a world is spared it. */
export interface Faults {
  /** The process is killed, or the power fails. */
  kill: number;
  /** A shard ends; connections stay. */
  shardLoss: number;
  /** SIGTERM. */
  drain: number;
  /** A connection is cut. */
  cut: number;
  /** No write succeeds for a while. */
  diskFull: number;
  /** The machine's clock is set. */
  clockShift: number;
  /** Ours, inside a turn, while it runs: a bug that comes and goes. */
  bug: number;
  /** Subscribers lag behind, and a run waits for them. */
  lag: number;
  /** Of messages whose turn always fails with an error of ours. */
  poison: number;
  /** Of messages with which the process ends, whenever a model is asked to answer them. */
  lethal: number;
}

/** Each world has a few kinds of faults, not all of them: some bugs show only where others don't interfere. */
export function planOf(random: Random, home: string): Plan {
  const sometimes = (chance: number) => (random.chance(0.5) ? chance : 0);
  const sessions = ['agent:main:main', 'agent:main:dm:sim:1', 'agent:main:dm:sim:2'].slice(0, random.between(1, 3));
  return {
    config: configOf(random, home, sessions.length),
    sessions,
    clients: random.between(1, 3),
    deeds: random.between(5, 20),
    thinkMs: random.pick([50, 500, 3_000]),
    moods: {
      answers: 6,
      calls: random.pick([0, 4, 8]),
      fails: random.pick([0, 0, 1]),
      cut: random.pick([0, 0, 1]),
      stalls: random.pick([0, 0, 1]),
      declines: random.pick([0, 0, 0.5]),
    },
    disk: random.pick([
      { commitMs: 2, flushMs: 5 },
      { commitMs: 1, flushMs: 100 },
      { commitMs: 200, flushMs: 1_000 },
    ]),
    faults: {
      kill: sometimes(0.004),
      shardLoss: sometimes(0.002),
      drain: sometimes(0.002),
      cut: sometimes(0.01),
      diskFull: random.chance(0.25) ? 0.003 : 0,
      clockShift: random.chance(0.1) ? 0.003 : 0,
      bug: random.chance(0.25) ? 0.01 : 0,
      lag: random.chance(0.25) ? 0.1 : 0,
      poison: random.chance(0.25) ? 0.1 : 0,
      lethal: random.chance(0.1) ? 0.02 : 0,
    },
  };
}

/** Small limits: what is rare in a large gateway should happen here all the time. */
function configOf(random: Random, home: string, sessions: number): Config {
  return configSchema.parse({
    home,
    sessions: {
      mailboxMax: random.pick([2, 5, 100]),
      idleMs: random.pick([1_000, 5_000, 600_000]),
      activeMax: random.pick([1, sessions, 100]),
      runTimeoutMs: random.pick([4_000, 600_000]),
      followUp: random.pick(FOLLOW_UPS),
      debounceMs: random.pick([0, 500]),
      collectMax: random.pick([2, 20]),
      overflow: random.pick(['old', 'new'] as const),
      cleanUp: { action: random.chance(0.2) ? 'delete' : 'passivate', afterMs: 4_000 },
    },
    models: { turnsMax: random.pick([2, 25]), stallMs: random.pick([1_000, 20_000]) },
    agents: { main: { tools: TOOLS } },
  });
}
