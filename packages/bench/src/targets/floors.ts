import { fileURLToPath } from 'node:url'
import { startPinned } from '../measure/pinned.ts'
import type { Target } from './target.ts'

/** The floor of a relay in Node, to tell what Loopgate's own work costs. */
export const fastifyDispatch = floor(
  'fastify-dispatch',
  'minimal relay: Fastify and undici dispatch, no keys, validation or metrics',
  'dispatch-relay.ts',
)

/** The floor of a cache hit in Fastify. */
export const fastifyMemory = floor(
  'fastify-memory',
  'minimal hit: Fastify, a hash of the body and a map, no keys, validation or metrics',
  'memory-hit.ts',
)

function floor(name: string, label: string, program: string): Target {
  const path = fileURLToPath(new URL(program, import.meta.url))
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
