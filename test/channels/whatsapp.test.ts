import { describeAdapter } from './adapter-suite.ts';
import { LACKS, WhatsAppFixture } from './whatsapp-fixture.ts';

describeAdapter('whatsapp', LACKS, (log) => WhatsAppFixture.make(log, { retryMin: 100 }));
