/** Bytes of an answer to characters, by what the answer, its byte order mark or its page says of itself. */

/** Bytes in which a page says which character set it is in; the HTML standard's number. */
const PRESCAN_BYTES = 1_024;

/** `text/html; charset=x` → `text/html`, lower case; empty: nothing was said. */
export function mediaType(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

export function decode(body: Buffer, contentType: string | undefined): string {
  const label = charsetOfMark(body) ?? charsetIn(contentType ?? '') ?? charsetIn(head(body)) ?? 'utf-8';
  return decoderFor(label).decode(body);
}

/** Whether it can be read as text, where nobody said what it is. */
export function looksLikeText(body: Buffer): boolean {
  return charsetOfMark(body) !== undefined || !body.subarray(0, PRESCAN_BYTES).includes(0);
}

function decoderFor(label: string): TextDecoder {
  try {
    return new TextDecoder(label);
  } catch {
    return new TextDecoder('utf-8'); // an unknown name: most of the web is this
  }
}

function charsetOfMark(body: Buffer): string | undefined {
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) return 'utf-8';
  if (body[0] === 0xfe && body[1] === 0xff) return 'utf-16be';
  return body[0] === 0xff && body[1] === 0xfe ? 'utf-16le' : undefined;
}

/** Of `charset=…` in a header or a `<meta>`, and `encoding="…"` in an XML declaration. */
function charsetIn(text: string): string | undefined {
  return /(?:charset|encoding)\s*=\s*["']?([\w-]{2,40})/i.exec(text)?.[1];
}

function head(body: Buffer): string {
  const text = body.subarray(0, PRESCAN_BYTES).toString('latin1');
  return text.match(/<(?:meta|\?xml)[^<>]*>/gi)?.join(' ') ?? '';
}
