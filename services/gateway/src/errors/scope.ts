import type { FastifyInstance } from 'fastify'
import type { ErrorShape } from './bodies.ts'
import { replyWithFault } from './reply.ts'

/** Gives an encapsulated scope its error shape. */
export function errorShape(app: FastifyInstance, shape: ErrorShape): void {
  app.setErrorHandler((error, request, reply) => replyWithFault(error, shape, request, reply))
}
