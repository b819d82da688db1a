import closeWithGrace from 'close-with-grace'
import type { Logger } from './logger.ts'

/**
 * Closes the process on SIGTERM, SIGINT, an uncaught error, or when the process that started it
 * over IPC is gone: `close` has `graceMs`, then the process exits whatever still hangs.
 */
export function onShutdown(logger: Logger, graceMs: number, close: () => Promise<void>): void {
  closeWithGrace({ delay: graceMs, logger: false }, async ({ err, signal }) => {
    if (err) logger.error({ err }, 'uncaught error, shutting down')
    else logger.info({ signal }, 'shutting down')
    await close()
  })
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
}
