/**
 * Goal: docs/protocol.md and the code say the same. Method: the tables of the page are read and compared, both ways, with
 * the schemas, the constants and protocol-fields.ts; and the examples are run.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { CLOSE_CODES } from '../../src/protocol/errors.ts';
import { EVENTS, eventPosition, GATEWAY_EVENTS } from '../../src/protocol/events.ts';
import { decodeFrame, type Frame } from '../../src/protocol/frame.ts';
import * as limits from '../../src/protocol/limits.ts';
import { factInfo, memoryResult } from '../../src/protocol/memory-shapes.ts';
import { REPLY_TYPES, REQUESTS, type Replies, type RequestType } from '../../src/protocol/messages.ts';
import { REPLIES } from '../../src/protocol/replies.ts';
import {
  approvalInfo,
  deadLetter,
  historyEntry,
  messageSource,
  scheduleInfo,
  session,
  snapshot,
  wireError,
} from '../../src/protocol/shapes.ts';
import { localGateway } from '../support/gateway.ts';
import { missingPython, runPython } from '../support/python.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { FRAME_FIELDS, LIMIT_NAMES, NESTED } from './protocol-fields.ts';

const page = await readFile(new URL('../../docs/protocol.md', import.meta.url), 'utf8');

/** The part of the page between two headings of the second level: a request and an event may have one name. */
const part = (from: string, to: string) => page.slice(page.indexOf(`\n## ${from}\n`), page.indexOf(`\n## ${to}\n`));
const requestsPart = part('Requests', 'Events');
const eventsPart = part('Events', 'Shapes');

/** The text under a heading, up to the next heading of any level. */
function section(heading: string, within = page): string {
  const found = within.split(/^#+ /m).filter((text) => text.startsWith(`${heading}\n`));
  expect(found, `the heading ${heading}`).toHaveLength(1);
  return found[0]!;
}

/** The rows of each table in `text`, as trimmed cells, without their heads. */
function tables(text: string): string[][][] {
  return text
    .split(/^\|[-|]+\|$/m)
    .slice(1)
    .map((table) => {
      const lines = table.trimStart().split('\n');
      const end = lines.findIndex((line) => !line.startsWith('|'));
      return lines.slice(0, end < 0 ? undefined : end).map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    });
}

const bare = (cell: string | undefined) => cell?.replace(/^`(.*)`$/, '$1') ?? '';
const firstColumn = (table: string[][] | undefined) => table?.map(([name]) => bare(name)).sort();
const names = (fields: object) => Object.keys(fields).sort();
/** The headings in code letters. */
const headings = (within: string) => [...within.matchAll(/^#### `(.+)`$/gm)].map(([, name]) => name);

/** The first fenced block of a kind. */
function block(kind: string): string {
  return new RegExp(`^\`\`\`${kind}\\n([^]*?)^\`\`\`$`, 'm').exec(page)![1]!;
}

/** The bytes of a block whose lines are hexadecimal, two spaces, and a remark. */
function bytesOf(kind: string): Uint8Array<ArrayBuffer> {
  const hex = block(kind)
    .split('\n')
    .map((line) => line.split('  ')[0]!.replaceAll(' ', ''));
  return new Uint8Array(Buffer.from(hex.join(''), 'hex'));
}

describe('docs/protocol.md', () => {
  it('has every request, no other, and of each every field, whether it is required, and the reply', () => {
    expect(headings(requestsPart).sort()).toEqual(names(REQUESTS));
    for (const type of Object.keys(REQUESTS) as RequestType[]) {
      const text = section(`\`${type}\``, requestsPart);
      const schema = z.toJSONSchema(REQUESTS[type], { io: 'input' });
      const [request, reply] = tables(text);
      const documented = request?.map(([field, , required]) => [bare(field), required]).sort();
      const actual = names(schema.properties ?? {}).map((field) => [
        field,
        schema.required?.includes(field) ? 'yes' : 'no',
      ]);
      expect([type, documented]).toEqual([type, actual]);
      expect(text).toContain(`\nReply \`${REPLY_TYPES[type]}\`:\n`);
      expect([type, firstColumn(reply)]).toEqual([type, names(REPLIES[type].shape)]);
    }
  });

  it('has every limit of every field', () => {
    for (const [type, request] of Object.entries(REQUESTS)) {
      const { properties = {} } = z.toJSONSchema(request, { io: 'input' });
      const rows = tables(section(`\`${type}\``, requestsPart))[0]!;
      for (const [field, schema] of Object.entries(properties)) {
        const { maxLength, maximum = 0, enum: values = [] } = schema as z.core.JSONSchema.JSONSchema;
        const row = rows.find(([name]) => bare(name) === field)!.join(' ');
        for (const value of values) expect(row).toContain(`\`${value}\``);
        // Keys and ids are explained once, under their names.
        const limit = row.includes('sessionKey') || row.includes(' id ') ? 0 : Math.max(maxLength ?? 0, maximum);
        if (limit > 0 && limit < Number.MAX_SAFE_INTEGER) expect(row).toContain(limit.toLocaleString('en'));
      }
    }
  });

  it('has every event, no other, and of each every field', () => {
    const events = { ...EVENTS, ...GATEWAY_EVENTS };
    expect(headings(eventsPart).sort()).toEqual(names(events));
    for (const [type, { shape }] of Object.entries(events)) {
      expect([type, firstColumn(tables(section(`\`${type}\``, eventsPart))[0])]).toEqual([type, names(shape)]);
    }
    expect(firstColumn(tables(section('Events'))[0])).toEqual(names(eventPosition.shape));
  });

  it('has every field of frames, errors, sessions and transcript entries', () => {
    expect(firstColumn(tables(section('Frames'))[0])).toEqual(names(FRAME_FIELDS));
    expect(firstColumn(tables(section('Errors'))[0])).toEqual(names(wireError.shape));
    expect(firstColumn(tables(section('Session'))[0])).toEqual(names(session.shape));
    expect(firstColumn(tables(section('Entry'))[0])).toEqual(names(historyEntry.shape));
    expect(firstColumn(tables(section('Source'))[0])).toEqual(names(messageSource.shape));
    expect(firstColumn(tables(section('Schedule'))[0])).toEqual(names(scheduleInfo.shape));
    expect(firstColumn(tables(section('Memory result'))[0])).toEqual(names(memoryResult.shape));
    expect(firstColumn(tables(section('Fact'))[0])).toEqual(names(factInfo.shape));
    expect(firstColumn(tables(section('Snapshot'))[0])).toEqual(names(snapshot.shape));
    expect(firstColumn(tables(section('Approval'))[0])).toEqual(names(approvalInfo.shape));
    expect(firstColumn(tables(section('Dead letter'))[0])).toEqual(names(deadLetter.shape));
  });

  it('has what belongs to a field that is a map itself', () => {
    for (const [heading, field, fields] of NESTED) {
      const rows = tables(section(heading)).flat();
      const row = rows.find(([name]) => bare(name) === field)?.join(' ');
      for (const name of Object.keys(fields)) expect(row).toContain(`\`${name}\``);
    }
  });

  it('has every close code, and no other of the private range', () => {
    const codes = tables(section('Close codes'))[0]!.map(([code]) => Number(code));
    expect(codes.filter((code) => code >= 4000)).toEqual(Object.values(CLOSE_CODES).sort());
    expect(codes.filter((code) => code < 4000)).toEqual([1000, 1001, 1006]);
  });

  it('has the number of every limit', () => {
    const rows = tables(section('Limits'))[0]!.map(([name, value]) => [bare(name), value]);
    const expected = Object.entries(limits).map(([name, value]) => [
      LIMIT_NAMES[name as keyof typeof limits],
      value.toLocaleString('en'),
    ]);
    expect(rows.sort()).toEqual([...expected, ['bytes of a JSON frame', '65,536']].sort());
  });

  it('has an example whose bytes the gateway takes, and answers with bytes like those of the page', async () => {
    const [request, reply] = [bytesOf('request'), bytesOf('reply')];
    const spelled = [...page.matchAll(/`(\{"id":"7".*\})`/g)].map(([, json]) => JSON.parse(json!));
    expect([decodeFrame(request), decodeFrame(reply)]).toEqual(spelled);
    const gateway = await localGateway();
    const client = await gateway.connect();
    client.raw(request);
    const { json: _, ...actual } = await client.reply('7');
    const example = decodeFrame(reply) as Frame<string, Replies['message.send']>;
    expect(actual).toEqual({
      ...example,
      timestamp: expect.any(Number),
      data: { ...example.data, message: expect.stringMatching(new RegExp(`^.{${example.data!.message.length}}$`)) },
    });
  });

  it('has a client of at most 25 lines that works as it stands', async (context) => {
    const missing = missingPython();
    if (missing !== undefined) return context.skip(`${missing} is missing`);
    const program = block('python');
    expect(program.split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(25);
    const gateway = await localGateway();
    const folder = await tempFolder();
    const [file, token] = [join(folder, 'client.py'), join(folder, 'token')];
    await writeFile(file, program);
    await writeFile(token, `${gateway.token}\n`);
    expect(await runPython(file, [gateway.url, token, 'What is 6*7?'])).toBe('6*7 = 42 [ok]\n');
  });
});
