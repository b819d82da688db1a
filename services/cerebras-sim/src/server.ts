import { ConfigError, createLogger, onShutdown, systemClock } from '@loopgate/service-kit'
import { createSimulator } from './app.ts'
import { readConfig, type ServerConfig } from './config.ts'

/** How long open streams may go on after SIGTERM before they are dropped. */
const GRACE_MS = 2000

function configOrExit(): ServerConfig {
  try {
    return readConfig(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exit(1)
  }
}

const config = configOrExit()
const logger = createLogger('cerebras-sim', config.logLevel)
const app = createSimulator(config.simulator, { clock: systemClock })
onShutdown(logger, GRACE_MS, () => app.close())
const address = await app.listen({ host: config.host, port: config.port })
logger.info(
  { address, limits: config.simulator.limits, tokensPerSecond: config.simulator.tokensPerSecond },
  'listening',
)
