import { CLOSE_CODES, runnerIdSchema, runnerListSchema, runnerViewSchema } from '@loopgate/contracts'
import { fault } from '@loopgate/service-kit'
import { z } from 'zod'
import type { App } from '../app-type.ts'
import { KEY_REFUSED, NEEDS_KEY, problems } from '../openapi/responses.ts'
import type { Drain } from '../operations/drain.ts'
import type { RunnerHub } from './hub.ts'

/** Path at which runners attach, and the only one that may be upgraded. */
export const CONNECT_PATH = '/api/runners/connect'

/** `/api/runners` and the door for runners. */
export function runnerRoutes(app: App, { hub, drain }: { hub: RunnerHub; drain: Drain }): void {
  app.get(
    '/runners',
    {
      config: { scope: 'admin' },
      schema: {
        tags: ['runners'],
        summary: 'Runners attached to this replica',
        security: NEEDS_KEY,
        response: { 200: runnerListSchema, ...problems(...KEY_REFUSED) },
      },
    },
    () => ({ runners: hub.views() }),
  )

  app.post(
    '/runners/:id/drain',
    {
      config: { scope: 'admin' },
      schema: {
        tags: ['runners'],
        summary: 'Let a runner end what it has and give it nothing more',
        description:
          'Holds for every replica, until the runner is started again. It stays attached, so that its last results arrive; once `running` is 0 it can be stopped.',
        security: NEEDS_KEY,
        params: z.object({ id: runnerIdSchema }),
        response: {
          200: runnerViewSchema,
          ...problems('LG_BAD_REQUEST', ...KEY_REFUSED, 'LG_NOT_FOUND'),
        },
      },
    },
    ({ params: { id } }) => {
      const runner = hub.retire(id)
      if (runner === null)
        throw fault('LG_NOT_FOUND', { message: 'No runner of this name is attached to this replica' })
      return runner
    },
  )

  app.route({
    method: 'GET',
    url: '/runners/connect',
    config: { scope: 'runner' },
    schema: {
      tags: ['runners'],
      summary: 'Attach a runner (WebSocket)',
      description:
        'Upgrade with `authorization: Bearer <runner token>`. Messages are JSON arrays of frames; the first frame of the runner is `hello`. Requests with an `origin` header are refused: a browser is no runner.',
      security: NEEDS_KEY,
      response: {
        ...problems('LG_BAD_REQUEST', ...KEY_REFUSED),
      },
    },
    preValidation: (request, _reply, done) => {
      if (request.headers.origin === undefined) return done()
      done(fault('LG_FORBIDDEN', { message: 'A browser cannot attach as a runner' }))
    },
    handler: () => {
      throw fault('LG_BAD_REQUEST', { message: 'This address takes WebSocket upgrades only' })
    },
    wsHandler: (socket) => {
      if (drain.started) socket.close(CLOSE_CODES.draining, 'the gateway is shutting down')
      else hub.accept(socket)
    },
  })
}
