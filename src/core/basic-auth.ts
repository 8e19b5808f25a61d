/** HTTP basic authentication from the user and password of a URL (RFC 7617). */

/** Returns the value of the `Authorization` header for the user and password of `url`; undefined if it has none. */
export function toBasicAuth({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  return `Basic ${Buffer.from(`${decode(username)}:${decode(password)}`).toString('base64')}`;
}

/** Decodes percent escapes. A `%` that begins no escape is left unchanged. */
function decode(part: string): string {
  return part.replace(/(%[\da-f]{2})+/gi, (escapes) =>
    Buffer.from(escapes.replaceAll('%', ''), 'hex').toString('utf8'),
  );
}
