import { InMemoryBackend } from '../support/in-memory-backend.ts';
import { localBackend } from '../support/local-backend.ts';
import { backendSuite } from './backend-suite.ts';

backendSuite('local', { open: async (folder, texts) => localBackend(folder, texts), survives: true });
backendSuite('in-memory', { open: async () => new InMemoryBackend(), survives: false });
