import { fileURLToPath } from 'node:url'
import { startPinned } from '../measure/pinned.ts'
import type { Target } from './target.ts'

const PROGRAM = fileURLToPath(new URL('dispatch-relay.ts', import.meta.url))

/** The floor of a relay in Node, to tell what Loopgate's own work costs. */
export const fastifyDispatch: Target = {
  name: 'fastify-dispatch',
  label: 'minimal relay: Fastify and undici dispatch, no keys, validation or metrics',
  start: async ({ core, node, upstream, folder }) => {
    const relay = startPinned('fastify-dispatch', core, [node, PROGRAM, upstream], {
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
