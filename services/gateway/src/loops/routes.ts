import {
  IDEMPOTENCY_HEADER,
  loopListSchema,
  loopRequestSchema,
  loopStateSchema,
  loopViewSchema,
  type LoopView,
} from '@loopgate/contracts'
import { fault, type LoopgateError } from '@loopgate/service-kit'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { App } from '../app-type.ts'
import { needModel } from '../auth/need-model.ts'
import type { Ceilings } from '../executions/ceilings.ts'
import { KEY_REFUSED, NEEDS_KEY, problems } from '../openapi/responses.ts'
import { need, type LoopServices } from './loop-services.ts'

/** Goal, scaffold and sixteen check programs of an ordinary size. */
const BODY_LIMIT_BYTES = 4 * 1024 * 1024

export const idSchema = z.object({ id: z.string().min(1).max(100) })

const creationHeaders = z.looseObject({
  [IDEMPOTENCY_HEADER]: z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'expected 1 to 255 printable characters without spaces')
    .optional()
    .describe('Repeating the request with the same value and body gives the first loop again'),
})

const listQuery = z.strictObject({
  after: z.string().max(200).optional().describe('The `next` of the page before'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  state: loopStateSchema.optional(),
})

const common = { tags: ['loops'], security: NEEDS_KEY }
const refusals = ['LG_BAD_REQUEST', ...KEY_REFUSED, 'LG_STORE_UNAVAILABLE'] as const

/**
 * The loop as its own tenant sees it.
 * @throws LG_NOT_FOUND for a loop that does not exist and for another tenant's alike
 */
export async function ownLoop(loops: LoopServices | null, request: FastifyRequest, id: string): Promise<LoopView> {
  const found = await need(loops).store.get(id)
  if (found === null || found.tenant !== request.principal.tenant) throw noSuchLoop()
  return found.view
}

/** `/api/loops`, less the event stream. */
export function loopRoutes(app: App, { loops, ceilings }: { loops: LoopServices | null; ceilings: Ceilings }): void {
  const config = { scope: 'loops' } as const

  /** A loop that is not enqueued is found by the sweeper of the workers, a little later. */
  const enqueue = async (request: FastifyRequest, id: string): Promise<void> => {
    try {
      await need(loops).enqueue(id)
    } catch (err) {
      request.log.warn({ err, loopId: id }, 'loop not enqueued; the sweeper of the workers will')
    }
  }
  const change = async (request: FastifyRequest, id: string, how: 'cancel' | 'resume'): Promise<LoopView> => {
    await ownLoop(loops, request, id)
    const loop = await need(loops).store[how](id)
    if (loop === null) throw noSuchLoop()
    if (loop.state === 'queued') await enqueue(request, id)
    return loop
  }

  app.post(
    '/loops',
    {
      config,
      bodyLimit: BODY_LIMIT_BYTES,
      preValidation: async ({ body }) => ceilings.fill(body, ['limits']),
      schema: {
        ...common,
        summary: 'Create a loop',
        description: 'A budget is mandatory. The loop is queued at once and runs in slices.',
        body: loopRequestSchema,
        headers: creationHeaders,
        response: {
          201: loopViewSchema,
          ...problems(...refusals, 'LG_BAD_JSON', 'LG_CONFLICT', 'LG_TOO_LARGE', 'LG_MEDIA_TYPE'),
        },
      },
    },
    async (request, reply) => {
      const { store } = need(loops)
      ceilings.check(request.body)
      needModel(request.principal, request.body.sampling.model, 'sampling.model')
      const key = request.headers[IDEMPOTENCY_HEADER]
      const { loop } = await store.create(request.principal, request.body, key)
      if (loop.state === 'queued') await enqueue(request, loop.id)
      return reply.code(201).header('location', `/api/loops/${loop.id}`).send(loop)
    },
  )

  app.get(
    '/loops',
    {
      config,
      schema: {
        ...common,
        summary: 'List the loops of the tenant, newest first',
        querystring: listQuery,
        response: { 200: loopListSchema, ...problems(...refusals) },
      },
    },
    ({ principal, query: { after, limit, state } }) =>
      need(loops).store.list(principal.tenant, {
        limit,
        ...(after !== undefined && { after }),
        ...(state !== undefined && { state }),
      }),
  )

  app.get(
    '/loops/:id',
    {
      config,
      schema: {
        ...common,
        summary: 'Read a loop',
        params: idSchema,
        response: { 200: loopViewSchema, ...problems(...refusals, 'LG_NOT_FOUND') },
      },
    },
    (request) => ownLoop(loops, request, request.params.id),
  )

  app.post(
    '/loops/:id/cancel',
    {
      config,
      schema: {
        ...common,
        summary: 'Cancel a loop',
        description: 'A queued or paused loop ends at once; a running one stops after the wave in flight.',
        params: idSchema,
        response: { 200: loopViewSchema, ...problems(...refusals, 'LG_NOT_FOUND') },
      },
    },
    (request) => change(request, request.params.id, 'cancel'),
  )

  app.post(
    '/loops/:id/resume',
    {
      config,
      schema: {
        ...common,
        summary: 'Let a paused loop run again',
        description: 'A loop in any other state stays as it is.',
        params: idSchema,
        response: { 200: loopViewSchema, ...problems(...refusals, 'LG_NOT_FOUND') },
      },
    },
    (request) => change(request, request.params.id, 'resume'),
  )
}

const noSuchLoop = (): LoopgateError => fault('LG_NOT_FOUND', { message: 'There is no such loop' })
