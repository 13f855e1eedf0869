/**
 * To be called with the sentence that says which promise was broken, and by what. It does not throw: it is called from
 * inside the code under test, which would catch that.
 */
export type Report = (broken: string) => void;
