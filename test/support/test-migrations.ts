/** Migrations for tests: a message's id becomes a record, with how often it was changed. */
export const INBOX_RECORDS = {
  what: 'the inbox holds records',
  tables: {
    inbox(value: unknown, _key: unknown): unknown {
      if (typeof value === 'string') return { message: value, changes: 1 };
      const record = value as { message: string; changes: number };
      return { ...record, changes: record.changes + 1 };
    },
  },
};
