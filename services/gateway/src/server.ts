import { configOrExit, createLogger, onShutdown } from '@loopgate/service-kit'
import { buildApp } from './app.ts'
import { compose } from './compose.ts'
import { configuredKeys, printableConfig, readConfig } from './config.ts'
import { listen } from './doors.ts'
import { bootstrapAdmin } from './keys/bootstrap.ts'

/** Long enough for a long stream to end; Kubernetes kills after 120 s less 5 s of preStop. */
const GRACE_MS = 110_000

/** A message for the operator, without a stack, and the end. */
function refuse(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

const config = configOrExit(() => readConfig(process.env))
if (process.argv.includes('--print-config')) {
  process.stdout.write(`${printableConfig(config)}\n`)
  process.exit(0)
}

const { LOOPGATE_HOST: host, LOOPGATE_PORT: port } = config
const logger = createLogger('gateway', config.LOOPGATE_LOG_LEVEL)
const services = compose(config, logger)
const app = await buildApp(services)
try {
  await listen(app, { host, port })
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
  refuse(`Port ${port} on ${host} is already in use. Stop what uses it, or set LOOPGATE_PORT to another port.`)
}
if (!configuredKeys(config).some(({ scopes }) => scopes.includes('admin'))) {
  const secret = await bootstrapAdmin(services.keys)
  // Not by the logger: logs are kept and shipped.
  if (secret !== null) process.stderr.write(`loopgate: the first admin key, shown this once: ${secret}\n`)
  else if (config.LOOPGATE_API_KEYS.length === 0 && services.keys.ring.mirror().records.size === 0)
    logger.warn('there is no API key: every request will be refused')
}
onShutdown(logger, GRACE_MS, () => app.close())
