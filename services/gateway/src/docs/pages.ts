import { createLogger } from '@loopgate/service-kit'
import { buildApp } from '../app.ts'
import { compose } from '../compose.ts'
import { readConfig } from '../config.ts'
import { configurationPage } from './configuration-page.ts'
import { errorsPage } from './errors-page.ts'
import { metricsPage } from './metrics-page.ts'

/** A configuration that reaches nothing: the pages only need what is registered. */
const NOWHERE = {
  CEREBRAS_API_KEY: 'none',
  LOOPGATE_REDIS_URL: 'redis://127.0.0.1:9',
  LOOPGATE_ASYNC_EXECUTIONS: '0',
}

/** The generated files of `docs/`, by name. */
export async function pages(): Promise<Record<string, string>> {
  const services = compose(readConfig(NOWHERE), createLogger('docs', 'silent'))
  const app = await buildApp(services)
  try {
    await app.ready()
    return {
      'errors.md': errorsPage(),
      'configuration.md': configurationPage(),
      'metrics.md': metricsPage(services.registry),
      'openapi.json': `${JSON.stringify(app.swagger(), null, 2)}\n`,
    }
  } finally {
    await app.close()
  }
}
