import fp from 'fastify-plugin'
import type { Services } from '../services.ts'

/**
 * Replies that were under way when the closing began leave their connections open and idle. Node
 * looks for idle ones once only, and would then wait for the keep-alive time to pass.
 */
const IDLE_CHECK_MS = 50
/** How long executions that nobody waits for have to end before other replicas take them over. */
const ASYNC_GRACE_MS = 30_000

/**
 * Opening and closing in order. Closing: readiness falls, event streams end, executions end and their runners are let
 * go; then Fastify stops listening and waits for the replies under way; then connections close.
 */
export const graceful = fp<
  Pick<Services, 'drain' | 'executions' | 'asyncExecutions' | 'hub' | 'generations' | 'keys' | 'close'>
>(
  async (app, { drain, executions, asyncExecutions, hub, generations, keys, close }) => {
    // Listens once the secret of the cache keys and the key ring are known, or Redis has had its chance.
    app.addHook('onReady', async () => void (await Promise.all([generations.ready(), keys.ring.refresh()])))
    let timer: NodeJS.Timeout | undefined
    app.addHook('preClose', (done) => {
      drain.start()
      void asyncExecutions?.stop(ASYNC_GRACE_MS)
      executions.drain()
      timer = setInterval(() => app.server.closeIdleConnections(), IDLE_CHECK_MS)
      done()
    })
    app.addHook('onClose', async () => {
      clearInterval(timer)
      await asyncExecutions?.stop(ASYNC_GRACE_MS)
      hub.close(1001, 'the gateway has shut down')
      await close()
    })
  },
  { name: 'graceful' },
)
