import t from 'tap'
import { z } from 'zod'
import { ConfigError, envBool, envInt, envJson, loadConfig, secretSchema } from '../src/index.ts'

const schema = z.object({
  LOOPGATE_PORT: envInt(0, 65_535).default(8080),
  LOOPGATE_RUNNER_TOKEN: secretSchema,
  LOOPGATE_API_KEYS: envJson(z.array(z.string())).default([]),
})

t.test('values are parsed, defaults filled in, and the result is frozen', (t) => {
  const config = loadConfig(schema, { LOOPGATE_RUNNER_TOKEN: 'lgr-1', LOOPGATE_API_KEYS: '["a"]', HOME: '/root' })
  t.equal(config.LOOPGATE_PORT, 8080)
  t.strictSame(config.LOOPGATE_API_KEYS, ['a'])
  t.equal(config.LOOPGATE_RUNNER_TOKEN.reveal(), 'lgr-1')
  t.ok(Object.isFrozen(config))
  t.end()
})

t.test('an empty variable is an unset one', (t) => {
  t.equal(loadConfig(schema, { LOOPGATE_RUNNER_TOKEN: 'x', LOOPGATE_PORT: '' }).LOOPGATE_PORT, 8080)
  t.end()
})

t.test('every fault is told at once, a misspelt name among them', (t) => {
  const env = { LOOPGATE_PROT: '1', LOOPGATE_PORT: '8o80', LOOPGATE_API_KEYS: '{' }
  try {
    loadConfig(schema, env)
    t.fail('a bad environment was taken')
  } catch (error) {
    t.type(error, ConfigError)
    const { message } = error as Error
    t.match(message, /LOOPGATE_PROT is not a setting/)
    t.match(message, /LOOPGATE_PORT: expected a whole number/)
    t.match(message, /LOOPGATE_API_KEYS: expected JSON/)
    t.match(message, /LOOPGATE_RUNNER_TOKEN/)
  }
  t.end()
})

t.test('a secret that does not fit is not repeated in the message', (t) => {
  const strict = z.object({ LOOPGATE_RUNNER_TOKEN: z.string().min(100) })
  t.throws(() => loadConfig(strict, { LOOPGATE_RUNNER_TOKEN: 'canary-secret' }), { message: /^(?!.*canary-secret)/s })
  t.end()
})

t.test('booleans and bounds', (t) => {
  t.strictSame(
    ['true', '1', 'false', '0'].map((text) => envBool.parse(text)),
    [true, true, false, false],
  )
  t.throws(() => envBool.parse('yes'))
  t.throws(() => envInt(0, 10).parse('11'))
  t.throws(() => envInt(0, 10).parse('1.5'))
  t.end()
})
