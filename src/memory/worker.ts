/** placeholder until the learner */
import type { Config } from '../config/schema.ts';
export interface MemoryWorkerData {
  config: Config;
}
