/** Waiting for a condition, with an end: a test that would hang says for what instead. */

/** The promise's value. Throws after `limitMs` with what was waited for. */
export async function within<T>(limitMs: number, promise: Promise<T>, what: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limitMs} ms for ${what()}`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until `find` has an answer that is not undefined. For what tells nobody when it changes. */
export async function until<T>(limitMs: number, find: () => Promise<T | undefined>, what: string): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const value = await find();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Resolves when the condition holds; looks every 10 ms, for 10 s. */
export async function holds(condition: () => boolean): Promise<void> {
  await until(10_000, async () => condition() || undefined, `${condition}`);
}
