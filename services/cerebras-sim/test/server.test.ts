import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const program = fileURLToPath(new URL('../src/server.ts', import.meta.url))

t.test('a bad environment ends the start with every fault and no stack', async (t) => {
  const env = { LOOPGATE_PROT: '1', LOOPGATE_SIM_LIMITS: 'some' }
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  child.stderr.on('data', (chunk) => (said += String(chunk)))
  t.strictSame(await once(child, 'close'), [1, null])
  t.match(said, /LOOPGATE_PROT[^]*LOOPGATE_SIM_LIMITS/)
  t.notMatch(said, /\n {4}at /)
})

t.test('the process says where it listens, serves, and ends on SIGTERM with a stream open', async (t) => {
  const child = spawn(process.execPath, [program], {
    env: { LOOPGATE_SIM_PORT: '0', LOOPGATE_SIM_TOKENS_PER_SECOND: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  t.teardown(() => child.kill('SIGKILL'))
  let address: string | undefined
  for await (const line of createInterface({ input: child.stdout })) {
    address = (JSON.parse(line) as { address?: string }).address
    if (address !== undefined) break
  }
  t.equal((await fetch(`${address}/healthz`)).status, 200)
  const reply = await fetch(`${address}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer csk-x', 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-oss-120b', messages: [{ role: 'user', content: 'hi' }], stream: true }),
  })
  t.equal(reply.status, 200)
  child.kill('SIGTERM')
  t.strictSame(await exited, [0, null])
  await t.rejects(reply.text(), 'the open stream is dropped')
})
