/**
 * Baileys, loaded when the first account of WhatsApp starts and not before: it takes its time and memory, and it brings
 * libsignal, which is GPL-3.0 (docs/licences.md). It is an optional dependency, so it may not be there.
 */
import { createRequire } from 'node:module';
import type { SocketConfig } from '@whiskeysockets/baileys';
import type { Logger } from 'pino';
import { ChannelError } from '../adapter.ts';

export type Baileys = typeof import('@whiskeysockets/baileys');
/** One connection, as baileys makes it. */
export type Socket = ReturnType<Baileys['makeWASocket']>;

const PACKAGE = '@whiskeysockets/baileys';
/** The one that was tested; another may do things differently. */
const VERSION = '7.0.0-rc14';

/** Throws a ChannelError of kind `rejected` that says how to install it when it is not there. */
export async function loadBaileys(): Promise<Baileys> {
  try {
    const baileys = await import('@whiskeysockets/baileys');
    silenceLibsignal();
    checkSignatures(baileys);
    return baileys;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new ChannelError(
      'rejected',
      `WhatsApp needs a package that is not installed: run npm install ${PACKAGE}@${VERSION}, then restart the gateway`,
      { cause: error },
    );
  }
}

/**
 * Makes baileys look at signatures: its `Curve.verify` waits for libsignal to throw, but libsignal returns false, so that in
 * 7.0.0-rc14 every signature of 64 bytes passes: those of the server's certificates, and that of the owner's phone when the
 * device is linked. (What baileys does not compare at all is the certificate's key with the server's; that the server is
 * WhatsApp's is proved by TLS.)
 */
function checkSignatures({ Curve, generateSignalPubKey }: Baileys): void {
  const fromBaileys = createRequire(createRequire(import.meta.url).resolve(PACKAGE));
  const { verifySignature } = fromBaileys('libsignal/src/curve.js') as {
    verifySignature(key: Uint8Array, message: Uint8Array, signature: Uint8Array): unknown;
  };
  Curve.verify = (key, message, signature) => {
    try {
      return verifySignature(generateSignalPubKey(key), message, signature) === true;
    } catch {
      return false;
    }
  };
}

/** What libsignal says on the console begins with one of these. */
const SAID_BY_LIBSIGNAL =
  /^(Closing |Opening session|Removing old closed session|Migrating session|Decrypted message with closed|Session |Failed to decrypt message|Unhandled bucket|V1 session|WARNING: Expected pubkey)/;
let silenced = false;

/** Libsignal prints whole sessions on the console, private keys among them, and can't be told not to. */
function silenceLibsignal(): void {
  if (silenced) return;
  silenced = true;
  for (const level of ['info', 'warn', 'error'] as const) {
    const print = console[level];
    console[level] = (...args: unknown[]) => {
      if (typeof args[0] !== 'string' || !SAID_BY_LIBSIGNAL.test(args[0])) print.apply(console, args);
    };
  }
}

/** Rolls a transaction of baileys' back. It is no failure, so baileys' word of it is left out. */
export const ROLL_BACK = new Error('rolled back');

/**
 * Baileys' log as ours. Its objects are left out: keys, tokens and messages are in them. Its levels are too: it calls an
 * error what it mends itself, and what is left comes to us as events.
 */
export function libraryLog(log: Logger): SocketConfig['logger'] {
  const say = (fields: unknown, message?: string): void => {
    if ((fields as { error?: unknown } | undefined)?.error === ROLL_BACK) return;
    const text = message ?? (typeof fields === 'string' ? fields : undefined);
    // Some messages are made of addresses and nodes; their beginning says enough.
    if (text !== undefined) log.debug({ library: 'baileys' }, text.slice(0, 120).replace(/\d{5,}/g, '…'));
  };
  const logger: SocketConfig['logger'] = {
    level: 'info',
    child: () => logger,
    trace: () => undefined,
    debug: () => undefined,
    info: say,
    warn: say,
    error: say,
  };
  return logger;
}
