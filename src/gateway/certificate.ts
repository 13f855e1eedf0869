/**
 * The certificate of `gateway.tls` and its key, which are replaced while a gateway runs. Loaded only where TLS is on.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Logger } from 'pino';
import { ConfigError } from '../config/config-error.ts';

/**
 * How often the files are looked at, in milliseconds. They are read, not watched: what leads to them may be symbolic links
 * through folders that are replaced as a whole, as certbot and Kubernetes do it.
 */
const LOOK_MS = 500;

export interface CertificateFiles {
  /** PEM, with the chain. */
  cert: string;
  /** PEM, not encrypted. */
  key: string;
}

export class CertificateWatch {
  readonly #files: CertificateFiles;
  readonly #log: Logger;
  /** Digest of what was judged last, whether it was good or not. */
  #judged: string;
  /** Digest of what was seen for the first time: it is judged when the next look finds it again, as whole as it will be. */
  #fresh: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  private constructor(files: CertificateFiles, log: Logger, judged: string) {
    this.#files = files;
    this.#log = log;
    this.#judged = judged;
  }

  /** Throws a {@link ConfigError} when the files cannot be used: a gateway does not start with them. */
  static async open(files: CertificateFiles, log: Logger): Promise<CertificateWatch> {
    const judged = await digest(files);
    try {
      await checkPair(files);
    } catch (error) {
      throw new ConfigError([`gateway.tls: ${(error as Error).message}`]);
    }
    return new CertificateWatch(files, log, judged);
  }

  /** Calls `renew` whenever there is another good pair. What `renew` throws makes it a bad one. */
  start(renew: () => void): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      void this.#look(renew).then(() => this.start(renew));
    }, LOOK_MS).unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #look(renew: () => void): Promise<void> {
    const seen = await digest(this.#files);
    const isWhole = seen === this.#fresh;
    this.#fresh = seen === this.#judged ? undefined : seen;
    if (this.#fresh === undefined || !isWhole) return;
    this.#judged = seen;
    const { cert } = this.#files;
    try {
      const { validTo } = await checkPair(this.#files);
      if (this.#stopped) return;
      renew();
      this.#log.info({ cert, validTo }, 'new connections get the new certificate');
    } catch (error) {
      this.#log.error({ cert, reason: (error as Error).message }, 'the new certificate is bad: the one before stays');
    }
  }
}

/** The certificate, when it and the key are good and belong together. Throws a sentence that says what is wrong. */
async function checkPair(files: CertificateFiles): Promise<X509Certificate> {
  const [cert, key] = await Promise.all([readFile(files.cert), readFile(files.key)]);
  try {
    createSecureContext({ cert, key });
    return new X509Certificate(cert);
  } catch (error) {
    const { reason, message } = error as Error & { reason?: string };
    throw new Error(`${files.cert} and ${files.key} are no certificate and its key: ${reason ?? message}`);
  }
}

/** Stands for the contents of both files, or for why they cannot be read. */
async function digest({ cert, key }: CertificateFiles): Promise<string> {
  try {
    const hash = createHash('sha256');
    for (const contents of await Promise.all([readFile(cert), readFile(key)])) {
      hash.update(`${contents.length}\n`).update(contents);
    }
    return hash.digest('hex');
  } catch (error) {
    return (error as Error).message;
  }
}
