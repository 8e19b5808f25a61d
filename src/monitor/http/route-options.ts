import type { FastifyReply, FastifyRequest } from 'fastify';

/** What every route with pages of rows has. */
export interface PageOptions {
  readonly preHandler: (request: FastifyRequest, reply: FastifyReply) => Promise<void>;
}

/** What every route that changes something has: a limit of how often, then the token. */
export interface ChangeOptions {
  readonly config: { readonly rateLimit: { readonly max: number; readonly timeWindow: string } };
  readonly preValidation: () => Promise<void>;
}

export interface RouteOptions {
  readonly change: ChangeOptions;
  readonly paged: PageOptions;
}
