/** What the model is told to be while it summarizes. */
export const SUMMARIZER =
  'You summarize a conversation between a user and an assistant, so that the assistant can go on from your summary alone.';
