import type { ProcessClock, SimulatedClock, SimulatedTimer } from './clock.ts';

/**
 * Puts simulated time in the place of Node's for code that takes it from globals instead of from a clock it is given.
 * `process`: whose timers they are. Returns how to give them back.
 */
export function takeOverTime(clock: SimulatedClock, process: () => ProcessClock): () => void {
  const { setTimeout, clearTimeout, setImmediate } = globalThis;
  const { now } = Date;
  const simulated = {
    setTimeout: (callback: () => void, ms?: number) => process().setTimeout(callback, ms),
    clearTimeout: (timer: SimulatedTimer | undefined) => timer?.cancel(),
    setImmediate: (callback: () => void) => process().setImmediate(callback),
  };
  Object.assign(globalThis, simulated);
  Date.now = () => clock.now();
  return () => {
    Object.assign(globalThis, { setTimeout, clearTimeout, setImmediate });
    Date.now = now;
  };
}
