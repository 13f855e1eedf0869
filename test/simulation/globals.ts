import type { ProcessClock, SimulatedClock, SimulatedTimer } from './clock.ts';

/**
 * Puts simulated time in the place of Node's for code that takes it from globals instead of from a clock it is given.
 * `process`: whose timers they are. Returns how to give them back.
 */
export function takeOverTime(clock: SimulatedClock, process: () => ProcessClock): () => void {
  const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate } = globalThis;
  const { now } = Date;
  const cancel = (timer: SimulatedTimer | undefined) => timer?.cancel();
  const simulated = {
    setTimeout: (callback: () => void, ms?: number) => process().setTimeout(callback, ms),
    clearTimeout: cancel,
    setInterval: (callback: () => void, ms?: number) => process().setInterval(callback, ms),
    clearInterval: cancel,
    setImmediate: (callback: () => void) => process().setImmediate(callback),
  };
  Object.assign(globalThis, simulated);
  Date.now = () => clock.now();
  performance.now = () => clock.elapsed;
  return () => {
    Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate });
    Date.now = now;
    // Its own is its prototype's.
    Reflect.deleteProperty(performance, 'now');
  };
}
