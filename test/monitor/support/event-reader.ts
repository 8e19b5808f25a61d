/** One message of a stream of Server-Sent Events. */
export interface StreamMessage {
  readonly id: string | undefined;
  /** The name of the event; `message` if it has none. */
  readonly event: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests reach into data whose shape they are about to check
  readonly data: any;
}

export interface ReadOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly lastEventId?: string | undefined;
}

/** Follows a stream over its own connection, and stores its messages. */
export class EventReader implements AsyncDisposable {
  readonly status: number;
  readonly headers: Headers;
  /** The body of a refusal. */
  readonly refusal: string;
  /** Resolves when the stream has ended, with the reason if it broke. */
  readonly ended: Promise<Error | undefined>;
  readonly #cut: AbortController;
  readonly #messages: StreamMessage[] = [];
  #onMessage = Promise.withResolvers<void>();

  /** Resolves when the answer begins. */
  static async open(url: string, { headers = {}, lastEventId }: ReadOptions = {}): Promise<EventReader> {
    const cut = new AbortController();
    const response = await fetch(url, {
      headers: {
        accept: 'text/event-stream',
        ...headers,
        ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
      },
      signal: cut.signal,
    });
    const refusal = response.status === 200 ? '' : await response.text();
    return new EventReader(response, cut, refusal);
  }

  private constructor(response: Response, cut: AbortController, refusal: string) {
    this.#cut = cut;
    this.status = response.status;
    this.headers = response.headers;
    this.refusal = refusal;
    this.ended = response.status === 200 ? this.#read(response) : Promise.resolve(undefined);
  }

  /** All messages so far. */
  get messages(): readonly StreamMessage[] {
    return this.#messages;
  }

  /** The messages without those of progress. */
  get events(): readonly StreamMessage[] {
    return this.#messages.filter(({ event }) => event === 'message');
  }

  get progress(): readonly StreamMessage[] {
    return this.#messages.filter(({ event }) => event === 'progress');
  }

  /** Resolves with the result of `look` as soon as it finds something. Rejects if the stream ends before. */
  async until<Value>(look: (reader: this) => Value | undefined | false): Promise<Value> {
    for (;;) {
      const found = look(this);
      if (found !== undefined && found !== false) return found;
      const isOver = await Promise.race([this.#onMessage.promise.then(() => false), this.ended.then(() => true)]);
      if (isOver) throw new Error(`The stream ended after ${this.#messages.length} messages.`);
    }
  }

  /** Disconnects, as a closed page does. */
  async close(): Promise<void> {
    this.#cut.abort();
    await this.ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #read({ body }: Response): Promise<Error | undefined> {
    try {
      let rest = '';
      const decoder = new TextDecoder();
      for await (const chunk of body ?? []) {
        const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) this.#take(block);
      }
      return undefined;
    } catch (thrown) {
      return thrown as Error;
    }
  }

  #take(block: string): void {
    const lines = block.split('\n');
    // A comment is a heartbeat.
    if (lines.every((line) => line.startsWith(':'))) return;
    const valueOf = (name: string) =>
      lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
    const [event = 'message'] = valueOf('event');
    const [id] = valueOf('id');
    this.#messages.push({ id, event, data: JSON.parse(valueOf('data').join('\n')) as unknown });
    this.#onMessage.resolve();
    this.#onMessage = Promise.withResolvers();
  }
}
