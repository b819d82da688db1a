import { configOrExit, createLogger, onShutdown, systemClock } from '@loopgate/service-kit'
import { createSimulator } from './app.ts'
import { readConfig } from './config.ts'

/** How long open streams may go on after SIGTERM before they are dropped. */
const GRACE_MS = 2000

const config = configOrExit(() => readConfig(process.env))
const logger = createLogger('cerebras-sim', config.logLevel)
const app = createSimulator(config.simulator, { clock: systemClock })
onShutdown(logger, GRACE_MS, () => app.close())
const address = await app.listen({ host: config.host, port: config.port })
logger.info(
  { address, limits: config.simulator.limits, tokensPerSecond: config.simulator.tokensPerSecond },
  'listening',
)
