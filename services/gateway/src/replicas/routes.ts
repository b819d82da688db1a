import { PEER_PROOF_HEADER } from '@loopgate/contracts'
import { FLIGHTS_PATH, type Generations } from '@loopgate/generations'
import { fault } from '@loopgate/service-kit'
import { z } from 'zod'
import type { App } from '../app-type.ts'

/** Longer than any key or token. */
const MAX_LENGTH = 200

/**
 * The door between replicas: one of them reads a flight that another leads. No API key opens it,
 * only a proof made with the secret of the installation; whoever has none learns nothing.
 */
export function flightRoutes(app: App, { generations }: { generations: Generations }): void {
  app.get(
    `${FLIGHTS_PATH}/:key`,
    {
      config: { open: true },
      schema: {
        hide: true,
        params: z.object({ key: z.string().max(MAX_LENGTH) }),
        querystring: z.object({ token: z.string().max(MAX_LENGTH) }),
      },
    },
    async (request, reply) => {
      const proof = request.headers[PEER_PROOF_HEADER]
      const { raw } = reply
      let begun = false
      const begin = () => {
        begun = true
        reply.hijack()
        raw.writeHead(200, { 'content-type': 'application/octet-stream', 'cache-control': 'no-store' })
      }
      const leave = await generations.serve(
        {
          key: request.params.key,
          token: request.query.token,
          proof: typeof proof === 'string' ? proof : '',
        },
        {
          write(bytes) {
            if (!begun) begin()
            return raw.write(bytes)
          },
          end: () => raw.end(),
          destroy: () => raw.destroy(),
          on: (event, listener) => raw.on(event, listener),
        },
      )
      if (leave === null) throw fault('LG_NOT_FOUND')
      if (raw.destroyed) return leave()
      raw.once('close', leave)
      // The follower waits for the headers to know that it follows.
      if (!begun) begin()
      raw.flushHeaders()
    },
  )
}
