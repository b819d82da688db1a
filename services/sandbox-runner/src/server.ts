import { configOrExit, createLogger, onShutdown } from '@loopgate/service-kit'
import { createRunner } from './app.ts'
import { readConfig } from './config.ts'

/** The longest execution (120 s of wall time by its schema), and some seconds to deliver its result. */
const GRACE_MS = 130_000

const config = configOrExit(() => readConfig(process.env))
const logger = createLogger('sandbox-runner', config.LOOPGATE_LOG_LEVEL)
const runner = createRunner({ config, logger })
onShutdown(logger, GRACE_MS, () => runner.drain())
await runner.start()
