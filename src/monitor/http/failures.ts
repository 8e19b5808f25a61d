/** The failures of requests: one shape with a code for programs and a message for users. */
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';

import { SupervisorError, stackOf, toError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { redactText } from '../../core/redact.ts';
import { RegistryError } from '../../registry/registry.ts';

const MAX_MESSAGE_LENGTH = 1_000;

export class HttpFailure extends SupervisorError {
  readonly code: string;
  readonly consequence = 'fail-step';
  readonly statusCode: number;

  constructor(statusCode: number, code: string, message: string) {
    super(message);
    this.statusCode = statusCode;
    this.code = code;
  }
}

export function notFound(noun: 'run' | 'session', id: string): HttpFailure {
  return new HttpFailure(404, 'not-found', `There is no ${noun} ${id} in the registry.`);
}

export function installFailures(server: FastifyInstance, log: Log): void {
  server.setErrorHandler((thrown: unknown, request, reply) => {
    const error = toError(thrown);
    // Plug-ins find no address if the connection is closed. No client waits for the answer then.
    const level = request.raw.socket.destroyed ? 'debug' : 'error';
    if (toAnswer(error).statusCode === 500)
      log[level]('A request failed by an error of the monitor', { reason: stackOf(error) });
    answerFailure(error, reply);
  });
  server.setNotFoundHandler((request, reply) => {
    const message = `There is no route for ${request.method} at this path. GET /openapi.json lists all routes.`;
    void reply.code(404).send({ error: { code: 'not-found', message } });
  });
}

export function answerFailure(error: Error, reply: FastifyReply): void {
  const { statusCode, code, message } = toAnswer(error);
  // Some messages repeat a part of the request, which may be long.
  const text = redactText(message);
  const short = text.length > MAX_MESSAGE_LENGTH ? `${text.slice(0, MAX_MESSAGE_LENGTH)}…` : text;
  void reply.code(statusCode).send({ error: { code, message: short } });
}

function toAnswer(error: Error): { readonly statusCode: number; readonly code: string; readonly message: string } {
  if (error instanceof HttpFailure) return error;
  if (error instanceof RegistryError) return { statusCode: 503, code: error.code, message: error.message };
  const { statusCode = 500, validation, code } = error as FastifyError;
  if (validation !== undefined) return { statusCode: 400, code: 'invalid-request', message: error.message };
  if (statusCode === 429) return { statusCode, code: 'too-many-requests', message: error.message };
  if (statusCode >= 400 && statusCode < 500)
    return { statusCode, code: toKebab(code ?? 'invalid-request'), message: error.message };
  return {
    statusCode: 500,
    code: 'internal-error',
    message: 'The monitor failed at this request. Its log contains the reason.',
  };
}

/** Converts `FST_ERR_CTP_BODY_TOO_LARGE` to `ctp-body-too-large`. */
function toKebab(code: string): string {
  return code
    .replace(/^FST_ERR_/, '')
    .toLowerCase()
    .replaceAll('_', '-');
}
