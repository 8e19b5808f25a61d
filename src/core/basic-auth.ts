/** User and password in a URL, as HTTP basic authentication (RFC 7617). */

/** The value of the `Authorization` header for the user and password of `url`; undefined if it has none. */
export function toBasicAuth({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  return `Basic ${Buffer.from(`${decode(username)}:${decode(password)}`).toString('base64')}`;
}

/** A `%` that begins no escape stands for itself. */
function decode(part: string): string {
  return part.replace(/(%[\da-f]{2})+/gi, (escapes) =>
    Buffer.from(escapes.replaceAll('%', ''), 'hex').toString('utf8'),
  );
}
