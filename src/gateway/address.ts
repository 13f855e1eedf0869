/** What an address is counted under, from its 4 or 16 bytes: an IPv6 network of 64 bits is one, as one customer has it. */
export function addressOf(bytes: ArrayBuffer): { address: string; loopback: boolean } {
  const text = Buffer.from(bytes).toString('latin1');
  if (text.length === 4) return { address: text, loopback: text.charCodeAt(0) === 127 };
  if (text.startsWith(MAPPED)) return { address: text.slice(12), loopback: text.charCodeAt(12) === 127 };
  return text === LOOPBACK ? { address: text, loopback: true } : { address: text.slice(0, 8), loopback: false };
}

const MAPPED = `${'\0'.repeat(10)}\xff\xff`;
const LOOPBACK = `${'\0'.repeat(15)}\x01`;
