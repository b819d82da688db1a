import { ConfigError } from '@loopgate/service-kit'
import t from 'tap'
import { DEFAULT_CONFIG, readConfig } from '../src/config.ts'

t.test('an empty environment gives the defaults', async (t) => {
  t.strictSame(readConfig({}), { logLevel: 'info', host: '127.0.0.1', port: 8081, simulator: DEFAULT_CONFIG })
})

t.test('every setting is read', async (t) => {
  const config = readConfig({
    LOOPGATE_SIM_PORT: '0',
    LOOPGATE_SIM_HOST: '0.0.0.0',
    LOOPGATE_SIM_KEYS: 'csk-a, csk-b',
    LOOPGATE_SIM_TOKENS_PER_SECOND: '2500',
    LOOPGATE_SIM_LIMITS: 'developer',
    LOOPGATE_SIM_RETRY_AFTER: 'true',
    LOOPGATE_SIM_REFUND: 'false',
    LOOPGATE_SIM_PROMPT_CACHE: '1',
    LOOPGATE_SIM_MAX_IN_FLIGHT: '64',
    LOOPGATE_SIM_FAULTS: '[{"kind":"server_error","count":1}]',
  })
  t.match(config, {
    host: '0.0.0.0',
    port: 0,
    simulator: {
      keys: ['csk-a', 'csk-b'],
      tokensPerSecond: 2500,
      limits: 'developer',
      retryAfter: true,
      refund: false,
      promptCache: true,
      maxInFlight: 64,
      faults: [{ kind: 'server_error', count: 1, afterChunks: 2, window: 'minute' }],
    },
  })
})

t.test('a bad value is refused by name', async (t) => {
  for (const [name, value] of [
    ['LOOPGATE_SIM_PORT', '70000'],
    ['LOOPGATE_SIM_LIMITS', 'enterprise'],
    ['LOOPGATE_SIM_FAULTS', '[{"kind":"explode"}]'],
    ['LOOPGATE_SIM_FAULTS', 'not JSON'],
    ['LOOPGATE_SIM_REFUND', 'maybe'],
    ['LOOPGATE_SIM_PROT', '1'],
  ] as const) {
    t.throws(() => readConfig({ [name]: value }), { name: ConfigError.name, message: new RegExp(name) })
  }
})
