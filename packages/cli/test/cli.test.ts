import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { keyWithSecretSchema } from '@loopgate/contracts'
import { gateway } from '@loopgate/testkit/gateway'
import t from 'tap'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const gw = await gateway(t)

type Ran = { readonly code: number; readonly out: string; readonly err: string }

function loopgate(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  const given = { LOOPGATE_GATEWAY_URL: gw.url, LOOPGATE_ADMIN_KEY: gw.adminKey, ...env }
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env: given }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    )
  })
}

t.test('a key goes through its whole life on the command line', async (t) => {
  const create = ['keys', 'create', '--tenant', 'initech', '--name', 'ci', '--scopes', 'complete,execute']
  const made = await loopgate([
    ...create,
    '--limit',
    'tokensPerDay=1000',
    '--limit',
    'requestsPerMinute=5',
    '--label',
    'a=b',
  ])
  t.equal(made.code, 0, made.err)
  const key = keyWithSecretSchema.parse(JSON.parse(made.out))
  t.match(key, {
    scopes: ['complete', 'execute'],
    limits: { tokensPerDay: 1000, requestsPerMinute: 5 },
    labels: { a: 'b' },
  })
  const json = async (...args: string[]): Promise<unknown> => JSON.parse((await loopgate(args)).out)
  t.match(await json('keys', 'list', '--tenant', 'initech'), [{ id: key.id }])
  t.match(await json('keys', 'change', key.id, '--name', 'other'), { name: 'other', limits: { tokensPerDay: 1000 } })
  t.match(await json('keys', 'rotate', key.id, '--overlap', '0'), { secret: /^lgk-/ })
  t.match(await json('keys', 'usage', key.id), { total: { tokens: 0 } })
  t.match(await json('keys', 'revoke', key.id), { state: 'revoked' })
  t.match(await json('keys', 'show', key.id), { state: 'revoked' })
  t.match(await json('tenants', 'set', 'initech', '--limit', 'tokensTotal=9'), { limits: { tokensTotal: 9 } })
  t.match(await json('tenants', 'list'), [{ tenant: 'initech' }])
  t.match(await json('tenants', 'usage', 'initech'), { total: { tokens: 0 } })
  t.strictSame(await loopgate(['tenants', 'remove', 'initech']), { code: 0, out: '', err: '' })
  const { entries } = (await json('audit', '--count', '2')) as { entries: { action: string }[] }
  t.strictSame(
    entries.map(({ action }) => action),
    ['key.created', 'key.changed'],
  )
})

t.test('what is wrong is said in one line, and the exit code tells', async (t) => {
  const cases: readonly [string[], Record<string, string>, RegExp][] = [
    [['keys', 'list'], { LOOPGATE_ADMIN_KEY: '' }, /set LOOPGATE_ADMIN_KEY/],
    [['keys', 'list'], { LOOPGATE_ADMIN_KEY: 'wrong' }, /^loopgate: .*Wrong API Key.*\n$/],
    [['keys', 'show', 'key_none'], {}, /There is no such key/],
    [['keys', 'create', '--tenant', 'NO', '--name', 'x', '--scopes', 'complete'], {}, /tenant: expected/],
    [['tenants', 'set', 'x', '--limit', 'tokens=1'], {}, /tokensPerDay/],
    [['keys', 'list'], { LOOPGATE_GATEWAY_URL: 'http://127.0.0.1:9' }, /127\.0\.0\.1/],
  ]
  for (const [args, env, said] of cases) {
    const { code, out, err } = await loopgate(args, env)
    t.equal(code, 1, err)
    t.equal(out, '')
    t.match(err, said)
  }
})
