import type { FastifyReply, FastifyRequest } from 'fastify';

/** The options of each route that answers with pages of rows. */
export interface PageOptions {
  readonly preHandler: (request: FastifyRequest, reply: FastifyReply) => Promise<void>;
}

/** The options of each route that changes something: a limit of calls, then the check of the token. */
export interface ChangeOptions {
  readonly config: { readonly rateLimit: { readonly max: number; readonly timeWindow: string } };
  readonly preValidation: () => Promise<void>;
}

export interface RouteOptions {
  readonly change: ChangeOptions;
  readonly paged: PageOptions;
}
