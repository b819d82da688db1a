import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { LoopState } from '@loopgate/contracts'
import { removeSpawnHook } from '@loopgate/testkit/untouched-spawn'
import t from 'tap'
import { writeDevFile, type DevFile } from '../stack/dev-file.ts'
import { holdFolder } from '../stack/hold.ts'
import { testFolder, testStack } from './test-stack.ts'

const DEMO = fileURLToPath(new URL('../demo/main.ts', import.meta.url))
removeSpawnHook()

/** Runs the demo beside a stack that says it is up, and gives how it ended. */
async function demoBeside(
  t: Tap,
  pids: DevFile['pids'],
  upstreamUrl: string,
): Promise<{ code: number; stderr: string }> {
  const folder = testFolder(t)
  const release = await holdFolder(folder)
  t.teardown(() => release?.())
  const nobody = 'http://127.0.0.1:1'
  writeDevFile(folder, { gatewayUrl: nobody, apiKey: 'k', adminKey: 'k', redisUrl: nobody, upstreamUrl, pids })
  const env = { ...process.env, LOOPGATE_STATE_FOLDER: folder }
  return promisify(execFile)(process.execPath, [DEMO, '--problems', '1'], { env }).then(
    ({ stderr }) => ({ code: 0, stderr }),
    ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
  )
}

type Tap = Parameters<typeof testFolder>[0]

t.test('the demo does not spend the tokens of a stack that calls a real upstream', async (t) => {
  const { code, stderr } = await demoBeside(t, { supervisor: 1, gateway: 2 }, 'https://api.example.test')
  t.equal(code, 1)
  t.match(stderr, 'The stack that is up calls https://api.example.test')
  t.notMatch(stderr, 'using the stack')
})

t.test('a stack that goes away under the demo is told in a sentence', async (t) => {
  const { code, stderr } = await demoBeside(t, { supervisor: 1, 'cerebras-sim': 2 }, 'http://127.0.0.1:2')
  t.equal(code, 1)
  t.match(stderr, /the gateway gave no whole reply/)
  t.notMatch(stderr, /\n {4}at /, 'no stack trace')
})

t.test('Ctrl-C in the middle of the demo ends it, and its loops do not go on in the next stack', async (t) => {
  const folder = testFolder(t)
  const ports = { LOOPGATE_PORT: '0', LOOPGATE_SIM_PORT: '0', LOOPGATE_WORKER_PORT: '0', LOOPGATE_REDIS_PORT: '0' }
  const env = { ...process.env, ...ports, LOOPGATE_REDIS_URL: '', LOOPGATE_STATE_FOLDER: folder }
  const child = spawn(process.execPath, [DEMO], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  for await (const data of child.stderr.iterator({ destroyOnReturn: false })) {
    said += String(data)
    if (/164 loops/.test(said)) break
  }
  child.stderr.on('data', (data) => (said += String(data)))
  child.kill('SIGINT')
  await once(child, 'close')
  t.equal(child.exitCode, 1)
  t.match(said, /stopped on SIGINT/)
  t.notMatch(said, /\n {4}at /, 'no stack trace')

  const { client } = await testStack(t, folder)
  const count = async (state: LoopState) => (await client.loops.list({ state, limit: 200 })).loops.length
  t.strictSame([await count('queued'), await count('running')], [0, 0])
  t.ok(await count('cancelled'))
})
