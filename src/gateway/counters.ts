import type { GatewayCounters } from '../protocol/messages.ts';

/** What the front end did to clients since its start, for `status`: nothing happens to a client unseen. */
export function newCounters(): GatewayCounters {
  return {
    deltasMerged: 0,
    slowClosed: 0,
    rateLimited: 0,
    loginsFailed: 0,
    lockouts: 0,
    refusedOrigins: 0,
    refusedFull: 0,
    tokensClosed: 0,
  };
}
