/** Reads the body of a form with files, as servers of platforms get it. */

export interface FormPart {
  readonly name: string;
  /** Undefined: it is a field and no file. */
  readonly fileName: string | undefined;
  readonly data: Buffer;
}

/** Throws an Error when it is no such form, or one without an end. */
export function parseMultipart(contentType: string, body: Buffer): FormPart[] {
  const boundary = /boundary=("?)([^";]+)\1/.exec(contentType)?.[2];
  if (boundary === undefined) throw new Error('the content type has no boundary');
  const delimiter = Buffer.from(`--${boundary}`);
  const parts: FormPart[] = [];
  let start = body.indexOf(delimiter);
  if (start !== 0) throw new Error('the form does not begin with its boundary');
  for (;;) {
    start += delimiter.length;
    if (body.subarray(start, start + 2).toString() === '--') return parts;
    const end = body.indexOf(Buffer.concat([Buffer.from('\r\n'), delimiter]), start);
    const headersEnd = body.indexOf('\r\n\r\n', start);
    if (end < 0 || headersEnd < 0 || headersEnd > end) throw new Error('the form is cut off');
    const headers = body.subarray(start, headersEnd).toString();
    const disposition = /content-disposition:\s*form-data;(.*)/i.exec(headers)?.[1] ?? '';
    const parameters = new Map(
      disposition.split(';').map((pair) => {
        const [key = '', value = ''] = pair.trim().split('=');
        return [key, value.replace(/^"(.*)"$/, '$1')] as const;
      }),
    );
    parts.push({
      name: parameters.get('name') ?? '',
      fileName: parameters.get('filename'),
      data: body.subarray(headersEnd + 4, end),
    });
    start = end + 2;
  }
}
