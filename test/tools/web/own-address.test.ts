/** Goal: a machine with a public address is not reached by it. Method: the address of an interface is made one. */
import { expect, it, vi } from 'vitest';
import { privateBecause } from '../../../src/tools/web/address.ts';

vi.mock('node:os', async (original) => ({
  ...(await original<typeof import('node:os')>()),
  networkInterfaces: () => ({ eth0: [{ address: '93.184.215.14' }, { address: '2606:4700::5' }] }),
}));

it('an address of this machine is refused although it is public', () => {
  for (const address of ['93.184.215.14', '2606:4700::5', '2606:4700:0::0005']) {
    expect(privateBecause(address)).toBe('is this machine');
  }
  expect(privateBecause('93.184.215.15')).toBeUndefined();
});
