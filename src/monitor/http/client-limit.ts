import type { FastifyReply, FastifyRequest } from 'fastify';

import { toClient } from './client.ts';
import { HttpFailure } from './failures.ts';

const RETRY_AFTER_SECONDS = 1;

export interface ClientLimitOptions {
  /** The name of what is limited, such as `streams of events`. */
  readonly noun: string;
  /** The error code of the refusal, such as `too-many-readers`. */
  readonly code: string;
  readonly total: number;
  /** Less than the total, so that one client can't take all. */
  readonly perClient: number;
}

/** Limits the number of concurrent answers of one kind, in total and for each client. */
export class ClientLimit {
  readonly #options: ClientLimitOptions;
  readonly #byClient = new Map<string, number>();
  #total = 0;

  constructor(options: ClientLimitOptions) {
    this.#options = options;
  }

  /** Counts this answer until its connection closes or the answer is sent. Throws {@link HttpFailure} if there are too many. */
  hold(request: FastifyRequest, reply: FastifyReply): void {
    const { noun, code, total, perClient } = this.#options;
    const client = toClient(request.ip);
    const held = this.#byClient.get(client) ?? 0;
    if (held >= perClient || this.#total >= total) reply.header('retry-after', RETRY_AFTER_SECONDS);
    if (held >= perClient)
      throw new HttpFailure(429, code, `${client} already has ${perClient} ${noun}, the maximum for one client.`);
    if (this.#total >= total)
      throw new HttpFailure(503, code, `There are already ${total} ${noun}, the maximum for all clients together.`);
    // A connection that is already closed emits no further event.
    if (reply.raw.destroyed) return;
    this.#total += 1;
    this.#byClient.set(client, held + 1);
    reply.raw.once('close', () => this.#release(client));
  }

  #release(client: string): void {
    this.#total -= 1;
    const held = (this.#byClient.get(client) ?? 0) - 1;
    if (held > 0) this.#byClient.set(client, held);
    else this.#byClient.delete(client);
  }
}
