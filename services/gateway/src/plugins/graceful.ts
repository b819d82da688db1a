import fp from 'fastify-plugin'
import type { Services } from '../services.ts'

/**
 * Closing in order: readiness falls, event streams end, executions end and their runners are let
 * go; then Fastify stops listening and waits for the replies under way; then connections close.
 */
export const graceful = fp<Pick<Services, 'drain' | 'executions' | 'hub' | 'close'>>(
  async (app, { drain, executions, hub, close }) => {
    app.addHook('preClose', (done) => {
      drain.start()
      executions.drain()
      done()
    })
    app.addHook('onClose', async () => {
      hub.close(1001, 'the gateway has shut down')
      await close()
    })
  },
  { name: 'graceful' },
)
