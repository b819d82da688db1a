import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort, privateRedis } from '@loopgate/testkit/redis'
import { removeSpawnHook } from '@loopgate/testkit/untouched-spawn'
import t from 'tap'
import type { DevFile } from '../stack/dev-file.ts'
import { testFolder } from './test-stack.ts'

const MAIN = fileURLToPath(new URL('../stack/main.ts', import.meta.url))
removeSpawnHook()

const FREE_PORTS = { LOOPGATE_PORT: '0', LOOPGATE_SIM_PORT: '0', LOOPGATE_WORKER_PORT: '0', LOOPGATE_REDIS_PORT: '0' }

function npmStart(stateFolder: string, env: NodeJS.ProcessEnv): { child: ChildProcess; output: () => string } {
  let output = ''
  const child = spawn(process.execPath, [MAIN], {
    env: {
      ...process.env,
      ...FREE_PORTS,
      LOOPGATE_STATE_FOLDER: stateFolder,
      CEREBRAS_API_KEY: '',
      LOOPGATE_REDIS_URL: '',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (output += data))
  return { child, output: () => output }
}

/** Whether the process runs; one that has ended and only waits to be reaped does not. */
const alive = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  t.test(`npm start is up with all it says, and ${signal} leaves no process behind`, async (t) => {
    const folder = testFolder(t)
    const { child, output } = npmStart(folder, {})
    t.teardown(() => child.kill('SIGKILL'))
    for await (const data of child.stdout!.iterator({ destroyOnReturn: false })) {
      if (String(data).includes('Ctrl-C')) break
    }
    child.stdout!.resume()
    const dev = JSON.parse(readFileSync(join(folder, 'dev.json'), 'utf8')) as DevFile
    t.strictSame(Object.keys(dev.pids).sort(), [
      'cerebras-sim',
      'gateway',
      'loop-worker',
      'redis',
      'sandbox-runner',
      'supervisor',
    ])
    t.ok(Object.values(dev.pids).every(alive))
    const models = await fetch(`${dev.gatewayUrl}/v1/models`, { headers: { authorization: `Bearer ${dev.apiKey}` } })
    t.equal(models.status, 200)
    await models.body?.cancel()

    child.kill(signal)
    await once(child, 'exit')
    // After SIGKILL nobody is left to wait for the children: they notice by themselves that their parent is gone.
    const deadline = performance.now() + 15_000
    while (Object.values(dev.pids).some(alive) && performance.now() < deadline) await delay(20)
    t.strictSame(
      Object.entries(dev.pids).filter(([, pid]) => alive(pid)),
      [],
    )
    if (signal === 'SIGINT') {
      t.equal(child.exitCode, 0)
      t.notOk(existsSync(join(folder, 'dev.json')))
      t.match(output(), /stopped/)
    }
  })
}

t.test('a Redis that cannot be used is told at once, without its password', async (t) => {
  const { port } = await privateRedis(t)
  const lock = connect(port, '127.0.0.1', () => lock.write('CONFIG SET requirepass another\r\n'))
  await once(lock, 'data')
  lock.destroy()
  const nowhere = await freePort()
  const mute = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(0, '127.0.0.1')
  t.teardown(() => mute.close())
  await once(mute, 'listening')
  for (const [url, said] of [
    [`redis://127.0.0.1:${nowhere}`, `there is no Redis at 127.0.0.1:${nowhere} (ECONNREFUSED)`],
    [`redis://:s3cret@127.0.0.1:${port}`, `the Redis at 127.0.0.1:${port} refuses: WRONGPASS`],
    [`redis://127.0.0.1:${(mute.address() as AddressInfo).port}`, 'is no Redis'],
    ['s3cret@nowhere', 'not a URL of the form redis://host:port'],
  ] as const) {
    const { child, output } = npmStart(testFolder(t), { LOOPGATE_REDIS_URL: url })
    await once(child, 'close')
    t.equal(child.exitCode, 1)
    t.ok(output().includes(`LOOPGATE_REDIS_URL`) && output().includes(said), output())
    t.notMatch(output(), 's3cret')
    t.notMatch(output(), /logs|not ready/, 'nothing was started')
  }
})

t.test('of two stacks started at once from one folder one comes up, and the other says why it does not', async (t) => {
  const folder = testFolder(t)
  const both = [npmStart(folder, {}), npmStart(folder, {})]
  t.teardown(() => both.map(({ child }) => child.kill('SIGINT')))
  const refused = await Promise.race(both.map(async (one) => (await once(one.child, 'close'), one)))
  t.equal(refused.child.exitCode, 1)
  t.match(refused.output(), /from this folder/)
  t.notMatch(refused.output(), /\n {4}at /, 'no stack trace')

  const other = both.find((one) => one !== refused)!
  while (!other.output().includes('Ctrl-C')) await once(other.child.stdout!, 'data')
  other.child.kill('SIGINT')
  await once(other.child, 'close')
  t.equal(other.child.exitCode, 0, other.output())
})

t.test('a busy port ends npm start with a sentence that names the variable', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const port = String((server.address() as AddressInfo).port)
  const { child, output } = npmStart(testFolder(t), { LOOPGATE_PORT: port })
  const [code] = (await once(child, 'close')) as [number]
  t.equal(code, 1)
  t.match(output(), `Port ${port} is already in use`)
  t.match(output(), 'LOOPGATE_PORT')
  t.notMatch(output(), /\n {4}at /, 'no stack trace')
})
