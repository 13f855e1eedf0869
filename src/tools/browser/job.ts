/** What the browser tools ask of the browser host, which is another process: plain data. */

export interface Caller {
  /** The session's key. */
  session: string;
  /** The agent's folder, where screenshots are saved. */
  workspace: string;
}

export type BrowserAction =
  | { do: 'open'; url: string; newPage: boolean }
  | { do: 'read'; offset: number; page?: number | undefined }
  | { do: 'click'; ref: string }
  | { do: 'type'; ref: string; text: string; submit: boolean }
  | { do: 'wait'; text?: string | undefined; gone?: string | undefined; seconds: number }
  | { do: 'screenshot' }
  | { do: 'close' };

export type BrowserJob = Caller & { action: BrowserAction };

export interface BrowserSettings {
  /** Undefined: the usual places are looked at. */
  executable?: string | undefined;
  sessionsMax: number;
  pagesMax: number;
  profilesMax: number;
  screenshotsMax: number;
  memoryMbMax: number;
  idleMs: number;
}
