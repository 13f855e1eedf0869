/** What a clock gives for a timer, and takes back to clear it. */
export interface TimerHandle {
  /** Lets the process end while this timer waits. */
  unref?(): unknown;
}

/**
 * All the time the runtime knows. It is injected, so that tests (and a seeded simulation) decide when time passes.
 * Durations are in milliseconds.
 */
export interface Clock {
  /** Milliseconds since the epoch, as the machine's clock has it: for people and records. It may be set, by days. */
  now(): number;
  /** Milliseconds since some moment; it only grows, at the pace of time: for durations and deadlines. */
  elapsed(): number;
  setTimeout(callback: () => void, ms: number): TimerHandle;
  clearTimeout(handle: TimerHandle): void;
  /** Calls back after the event loop has served its sockets once. */
  setImmediate(callback: () => void): void;
}

/** Longest timer of Node (24.8 days). It fires a longer one at once, so longer ones are refused or cut. */
export const TIMER_MS_MAX = 2 ** 31 - 1;

export const realClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout),
  setImmediate: (callback) => {
    setImmediate(callback);
  },
};
