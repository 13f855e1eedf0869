/** What commands know of the gateway's environment: the variables that are named, and nothing else. */
export function commandEnvironment(
  names: readonly string[],
  environment: NodeJS.ProcessEnv,
): Readonly<Record<string, string>> {
  const known = names.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  // No pager, editor or prompt waits for somebody at a terminal.
  return { ...Object.fromEntries(known), TERM: 'dumb', PAGER: 'cat', GIT_TERMINAL_PROMPT: '0' };
}
