/**
 * The account of a platform where a name says nothing of one. Here, and not beside the schema, for those who have no need
 * of zod.
 */
export const DEFAULT_ACCOUNT = 'default';
