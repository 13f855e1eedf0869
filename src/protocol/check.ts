import type { z } from 'zod';
import { DhaavakError } from './errors.ts';
import { REQUESTS, type RequestType } from './messages.ts';

/**
 * The data of a request, checked. Throws `invalid_request` that names the first field that is wrong; a missing `data` is
 * taken as an empty one.
 */
export function checkRequest<T extends RequestType>(type: T, data: unknown): z.output<(typeof REQUESTS)[T]> {
  const result = REQUESTS[type].safeParse(data ?? {});
  if (result.success) return result.data as z.output<(typeof REQUESTS)[T]>;
  const issue = result.error.issues[0];
  if (issue === undefined) throw new DhaavakError('invalid_request', 'the request is wrong', { param: 'data' });
  const path = ['data', ...issue.path, ...(issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [])];
  const param = path.join('.').slice(0, 128);
  const what = issue.code === 'unrecognized_keys' ? 'is not known' : `is wrong: ${issue.message}`;
  throw new DhaavakError('invalid_request', `${param} ${what}`, { param });
}
