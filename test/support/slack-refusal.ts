/** A refusal: the error code and what comes with it, or another status than 200. */
export class Refusal extends Error {
  readonly status: number;
  readonly body: object;
  readonly headers: Record<string, string>;

  constructor(code: string, more: object = {}, status = 200, headers: Record<string, string> = {}) {
    super(code);
    this.status = status;
    this.body = { ok: false, error: code, ...more };
    this.headers = headers;
  }
}

/** What comes with a call. */
export type Fields = Readonly<Record<string, string>>;
