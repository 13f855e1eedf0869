import { describeAdapter } from './adapter-suite.ts';
import { telegramFixture } from './telegram-fixture.ts';

describeAdapter('telegram, polling', {}, (log) => telegramFixture('polling', log));
describeAdapter('telegram, webhook', {}, (log) => telegramFixture('webhook', log));
