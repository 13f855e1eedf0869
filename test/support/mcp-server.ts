/**
 * An MCP server made with the SDK, as people make them: on the standard streams (`node test/support/mcp-server.ts`), or by
 * {@link startHttpMcpServer} over streamable HTTP. Its tools are what the tests call.
 */

import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { z } from 'zod';

/** @param note is told of each call that has an effect, and of each cancellation */
export function createMcpServer(note: (line: string) => void): McpServer {
  const server = new McpServer({ name: 'test-server', version: '1.0.0' });
  const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] });
  server.registerTool(
    'addNote',
    { description: 'Adds a note.', inputSchema: { text: z.string() }, annotations: { idempotentHint: true } },
    ({ text: added }) => {
      note(`added ${added}`);
      return text(`added: ${added}`);
    },
  );
  server.registerTool('environment', { description: 'What it is told.', annotations: { readOnlyHint: true } }, () =>
    text(JSON.stringify(process.env)),
  );
  server.registerTool('picture', { description: 'An image and a resource.' }, () => ({
    content: [
      { type: 'image', data: Buffer.alloc(300).toString('base64'), mimeType: 'image/png' },
      { type: 'resource', resource: { uri: 'note://1', mimeType: 'text/plain', text: 'the note' } },
      { type: 'resource_link', uri: 'note://2', name: 'second' },
    ],
  }));
  server.registerTool('fail', { description: 'Fails.' }, () => ({ ...text('it went wrong'), isError: true }));
  server.registerTool('long', { description: 'Says much.' }, () => text('x'.repeat(100_000)));
  server.registerTool('wait', { description: 'Waits until it is cancelled.' }, ({ signal }) => {
    note('waiting');
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        note('cancelled');
        resolve(text('cancelled'));
      });
    });
  });
  server.registerTool('exit', { description: 'Ends the server.' }, () => process.exit(7));
  server.registerTool('grow', { description: 'Adds a tool.' }, () => {
    server.registerTool('grown', { description: 'It came later.' }, () => text('grown'));
    return text('there is another tool');
  });
  return server;
}

export interface HttpMcpServer {
  url: string;
  /** What the tools noted. */
  notes: string[];
  /** Of each request. */
  headers: NodeJS.Dict<string | string[]>[];
  stop(): Promise<void>;
}

/** Sessions and event streams, as the SDK's example has them. */
export async function startHttpMcpServer({ port = 0, create = createMcpServer } = {}): Promise<HttpMcpServer> {
  const notes: string[] = [];
  const headers: NodeJS.Dict<string | string[]>[] = [];
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const http = createServer(async (request, response) => {
    headers.push(request.headers);
    const id = request.headers['mcp-session-id'];
    let transport = typeof id === 'string' ? sessions.get(id) : undefined;
    if (transport === undefined && id !== undefined) {
      response.writeHead(404).end('no such session');
      return;
    }
    if (transport === undefined) {
      const made = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (session) => void sessions.set(session, made),
      });
      transport = made;
      await create((line) => notes.push(line)).connect(made as Transport);
    }
    await transport.handleRequest(request, response);
  });
  await new Promise<void>((resolve) => http.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    notes,
    headers,
    async stop() {
      const closed = new Promise((resolve) => http.close(resolve));
      http.closeAllConnections();
      await closed;
    },
  };
}

if (import.meta.main) {
  const file = process.env.NOTES_FILE;
  const server = createMcpServer((line) => {
    if (file !== undefined) appendFileSync(file, `${line}\n`);
  });
  process.stderr.write(`ready, and my key is ${process.env.NOTES_KEY}\n`);
  await server.connect(new StdioServerTransport());
}
