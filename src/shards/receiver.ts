/** A connection, as the shards see it. The gateway implements these. */
export interface Receiver {
  /**
   * Takes one msgpack frame to be sent with the next flush; its bytes stay as they are until then. True for the first
   * one since the last flush. A closed connection takes nothing.
   */
  queue(frame: Uint8Array): boolean;
  /** Sends what was queued, in one write. */
  flush(): void;
  /** Makes the connection a subscriber of the session's events. */
  subscribe(session: string): void;
  /** One request of this connection fewer is in flight. */
  answered(): void;
  /** Answers request `id` with an error of ours. */
  fail(id: string, error: Error): void;
}

/** Who is subscribed to which session. */
export interface Subscribers {
  of(session: string): ReadonlySet<Receiver> | undefined;
}
