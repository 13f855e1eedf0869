/**
 * The configuration cannot be used. One problem a line, each a sentence that says where it is and what to do; values
 * never occur in it, since any of them may be a secret.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}
