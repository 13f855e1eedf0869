/** Tasks of the compute pool, each an exported function of plain data. */

/** Tokens in each text by `o200k_base`. The encoding's tables are 70 MB of heap: loaded here only, with the first call. */
export async function countTokens(texts: string[]): Promise<number[]> {
  const { countTokens: count } = await import('gpt-tokenizer');
  return texts.map((text) => count(text));
}
