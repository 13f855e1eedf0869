/**
 * The limits of an actor system. Those of one kind of actor (mailbox, idle time, deadline, parallel) are in its
 * definition. `docs/actors.md` lists them all, and a test keeps the two equal.
 */
export interface Limits {
  /** Failures of one message, after which it goes to the dead letters. */
  attemptsMax: number;
  /** Restarts of one actor within `restartWindowMs`; the next crash stops it for as long. */
  restartsMax: number;
  /** Also how long an actor must run without a crash for its backoff to begin anew. */
  restartWindowMs: number;
  /** Wait before the first restart; each further one doubles it. */
  backoffMs: number;
  backoffMaxMs: number;
  /** Dead letters kept; past it the oldest is evicted, and counted. */
  deadLettersMax: number;
  /** Timers one actor may have waiting. */
  timersMax: number;
  /** Messages started, over all lanes, before the event loop gets its turn. */
  burstMax: number;
  /** Pause between two rounds of looking for idle actors: how late, at most, a small system passivates. */
  sweepMs: number;
  /** Actors looked at in one step of a round: about a tenth of a millisecond of work. */
  sweepStepMax: number;
}

export const DEFAULT_LIMITS: Limits = {
  attemptsMax: 3,
  restartsMax: 5,
  restartWindowMs: 60_000,
  backoffMs: 50,
  backoffMaxMs: 5_000,
  deadLettersMax: 1_000,
  timersMax: 100,
  burstMax: 256,
  sweepMs: 1_000,
  sweepStepMax: 5_000,
};

/** Waiting messages of one actor, where its definition says nothing else. */
export const MAILBOX_MAX = 100;
/** Idle time after which an actor leaves memory, where its definition says nothing else. */
export const IDLE_MS = 600_000;
