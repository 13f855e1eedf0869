/**
 * The WhatsApp adapter as a custom channel, which takes the root key of the tests' server for WhatsApp's: there is no setting
 * for that.
 */
import { WA_CERT_DETAILS } from '@whiskeysockets/baileys';
import type { Adapter, AdapterContext } from '../../src/channels/adapter.ts';
import { createAdapter as createWhatsApp } from '../../src/channels/whatsapp/adapter.ts';

interface Settings {
  readonly account: Parameters<typeof createWhatsApp>[0];
  /** Base64. */
  readonly root: string;
  readonly folder: string;
}

export function createAdapter({ account, root, folder }: Settings, context: AdapterContext): Adapter {
  WA_CERT_DETAILS.PUBLIC_KEY.set(Buffer.from(root, 'base64'));
  return createWhatsApp(account, { ...context, folder });
}
