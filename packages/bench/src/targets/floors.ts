import { fileURLToPath } from 'node:url'
import { startPinned } from '../measure/pinned.ts'
import type { Target } from './target.ts'

/** The floor of a relay in Node, to tell what Loopgate's own work costs. */
export const fastifyDispatch = floor(
  'fastify-dispatch',
  'minimal relay: Fastify and undici dispatch, no keys, validation or metrics',
  new URL('dispatch-relay.ts', import.meta.url),
)

/** The floor of a cache hit in Fastify. */
export const fastifyMemory = floor(
  'fastify-memory',
  'minimal hit: Fastify, a hash of the body and a map, no keys, validation or metrics',
  new URL('memory-hit.ts', import.meta.url),
)

function floor(name: string, label: string, program: URL): Target {
  const path = fileURLToPath(program)
  return {
    name,
    label,
    start: async ({ core, node, upstream, folder }) => {
      const relay = startPinned(name, core, [node, path, upstream], {
        logFolder: folder,
        env: { NODE_ENV: 'production' },
      })
      return {
        origin: `http://127.0.0.1:${await relay.firstLine()}`,
        headers: {},
        pids: () => [relay.pid],
        stop: relay.stop,
      }
    },
  }
}
