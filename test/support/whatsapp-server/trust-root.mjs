/**
 * Given to a gateway's process with `--import`: its thread of channels takes the root in DHAAVAK_TEST_WHATSAPP_ROOT for
 * WhatsApp's (`certificate.ts` tells why).
 */
import { workerData } from 'node:worker_threads';

if (workerData?.accounts !== undefined) {
  const { WA_CERT_DETAILS } = await import('@whiskeysockets/baileys');
  WA_CERT_DETAILS.PUBLIC_KEY.set(Buffer.from(process.env.DHAAVAK_TEST_WHATSAPP_ROOT, 'hex'));
}
