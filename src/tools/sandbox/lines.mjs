// @ts-check

/** Longest line between a pool and a host, in UTF-16 code units: the longest input of a call, escaped, with room. */
export const LINE_LENGTH_MAX = 1_048_576;

/**
 * Cuts a stream of text into lines and reads each as JSON. Throws for a line that is longer than `lengthMax` or no JSON:
 * who gets one from the other process should not listen to it any longer.
 */
export class JsonLines {
  #rest = '';
  #lengthMax;

  /** @param {number} lengthMax in UTF-16 code units */
  constructor(lengthMax) {
    this.#lengthMax = lengthMax;
  }

  /** The values that are whole with this piece. @param {string} text @returns {Generator<any, void, undefined>} */
  *push(text) {
    const lines = text.split('\n');
    lines[0] = this.#rest + lines[0];
    this.#rest = /** @type {string} */ (lines.pop());
    for (const line of lines) {
      this.#check(line);
      yield JSON.parse(line);
    }
    this.#check(this.#rest);
  }

  /** @param {string} line */
  #check(line) {
    if (line.length > this.#lengthMax) throw new RangeError(`a line of over ${this.#lengthMax} characters`);
  }
}
