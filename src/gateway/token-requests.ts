/** `token.…`: named tokens, for admins. */
import { DhaavakError } from '../protocol/errors.ts';
import type { Replies, RequestData, Scope } from '../protocol/messages.ts';
import { type Access, RESERVED_NAMES } from './access.ts';
import type { Clients } from './clients.ts';

export interface TokenContext {
  access: Access;
  clients: Clients;
}

export async function createToken(
  { access }: TokenContext,
  { name, scopes }: RequestData<'token.create'>,
): Promise<Replies['token.create']> {
  if (RESERVED_NAMES.includes(name)) {
    throw new DhaavakError('conflict', `the name ${name} stands for another credential`, { param: 'data.name' });
  }
  const granted: Scope[] = [...new Set(scopes)];
  return { name, scopes: granted, token: await access.named.create(name, granted) };
}

/** Whoever came in with it can do nothing any more when this has resolved. */
export async function revokeToken(
  { access, clients }: TokenContext,
  { name }: RequestData<'token.revoke'>,
): Promise<Replies['token.revoke']> {
  await access.named.revoke(name);
  return { name, closed: clients.closeToken(name, 'the token was revoked') };
}

/** As {@link revokeToken}, for those with the old one. */
export async function rotateToken(
  { access, clients }: TokenContext,
  { name }: RequestData<'token.rotate'>,
): Promise<Replies['token.rotate']> {
  const token = await access.named.rotate(name);
  return { name, token, closed: clients.closeToken(name, 'the token was rotated') };
}
