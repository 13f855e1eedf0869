import { z } from 'zod';

/** What goes between a pool and a sandbox host: one JSON value a line, on the host's standard input and output. */

/** The limits of one guest. */
export interface GuestLimits {
  /** Time of its own: tool calls that are under way do not count. */
  timeoutMs: number;
  /** Time on a processor. */
  cpuMs: number;
  /** Tool calls. */
  callsMax: number;
  /** Tool calls under way at once; further ones wait inside the guest. */
  callsAtOnceMax: number;
  /** Longest JSON of a call's input, in UTF-16 code units, as all lengths here. */
  inputLengthMax: number;
  /** Of all console output together. */
  consoleLengthMax: number;
  resultLengthMax: number;
}

/** A program for a guest. */
export interface Program {
  /** The body of an async function; with `modules` it has the exports of their entry as `plugin`. */
  source: string;
  /** ES modules that may import each other, by path. */
  modules?: { entry: string; files: Readonly<Record<string, string>> };
  /** The functions it may call, by dotted name. Nothing else is there. */
  granted: readonly string[];
  limits: GuestLimits;
}

export type ToHost =
  | { type: 'run'; job: number; program: Program }
  /** The answer to a `call`: `text` is a string or, with `json`, the JSON of a value; a reason where it has failed. */
  | { type: 'answer'; job: number; call: number; failed: boolean; json: boolean; text: string }
  | { type: 'cancel'; job: number }
  | { type: 'ping' };

const job = z.int().nonnegative();
const text = z.string();
/** Why a guest was ended before its program was. */
const cut = z.enum(['time', 'cpu', 'memory', 'stuck', 'hung', 'cancelled']);
const ending = z.discriminatedUnion('status', [
  z.object({ status: z.literal('ok'), text }),
  /** It threw, or is no JavaScript; `text` tells what and where in its own lines. */
  z.object({ status: z.literal('threw'), text }),
  /** `lateMs`: how long after its limit the guest did not run any more, measured in the host. */
  z.object({ status: z.literal('cut'), cut, lateMs: z.number() }),
]);

const death = z.enum(['memory', 'stuck', 'catastrophe', 'protocol']);

/** Checked, although the program of the host is ours: a guest may have broken into it. */
export const fromHost = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('pong') }),
  /** The process ends itself. */
  z.object({ type: z.literal('dying'), why: death }),
  /** `input` is JSON. */
  z.object({ type: z.literal('call'), job, call: z.int().positive(), name: text, input: text }),
  z.object({ type: z.literal('console'), job, text }),
  z.object({ type: z.literal('end'), job, rssMb: z.number(), ending }),
]);

export type FromHost = z.output<typeof fromHost>;
/** What a host says of a program. */
export type JobMessage = Extract<FromHost, { job: number }>;
export type Death = z.output<typeof death>;
export type Cut = z.output<typeof cut>;
/** How a program ended. */
export type Ending = z.output<typeof ending>;
