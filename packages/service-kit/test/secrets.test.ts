import { execFileSync } from 'node:child_process'
import { inspect } from 'node:util'
import t from 'tap'
import { Secret } from '../src/index.ts'

const CANARY = 'csk-canary-7f3a'

t.test('a secret shows in no rendering of it', (t) => {
  const secret = new Secret(CANARY)
  const renderings = [
    String(secret),
    ''.concat(secret as unknown as string),
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ deep: { secret } }),
    Object.values(secret).join(),
  ]
  t.notMatch(renderings.join('\n'), CANARY)
  t.equal(secret.reveal(), CANARY)
  t.end()
})

t.test('the logger removes secrets by name, at the top and inside', (t) => {
  const program = `
    import { createLogger, Secret } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)}
    const logger = createLogger('test', 'info')
    logger.info({ authorization: '${CANARY}', headers: { authorization: '${CANARY}' }, req: { headers: { cookie: '${CANARY}' } }, key: new Secret('${CANARY}') }, 'hello')
  `
  const line = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  t.match(JSON.parse(line), { service: 'test', msg: 'hello', authorization: '[redacted]' })
  t.notMatch(line, CANARY)
  t.end()
})

t.test('the logger removes what looks like a key, wherever it stands', (t) => {
  const key = `lgk-${'x'.repeat(43)}`
  const program = `
    import { createLogger } from ${JSON.stringify(new URL('../src/index.ts', import.meta.url).href)}
    const logger = createLogger('test', 'info')
    const err = Object.assign(new Error('${key}: no such field', { cause: new Error('of ${key}') }), { param: '${key}' })
    logger.info({ err, path: ['${key}'] }, '${key}')
  `
  const line = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  t.match(JSON.parse(line), { err: { message: /^lgk-\[redacted\]: no such field/ }, msg: 'lgk-[redacted]' })
  t.notMatch(line, key)
  t.end()
})
