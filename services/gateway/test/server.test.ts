import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { gatewayProcess } from '@loopgate/testkit/gateway'
import t from 'tap'
import { send } from './kit/http.ts'
import { attach, resultOf } from './kit/runner.ts'

const SERVER = fileURLToPath(new URL('../src/server.ts', import.meta.url))

/** Runs the server until it ends by itself. */
async function runServer(
  env: Record<string, string>,
  ...flags: string[]
): Promise<{ code: unknown; out: string; err: string }> {
  const child = spawn(process.execPath, [SERVER, ...flags], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => (out += String(chunk)))
  child.stderr.on('data', (chunk) => (err += String(chunk)))
  const [code] = (await once(child, 'close')) as unknown[]
  return { code, out, err }
}

t.test('a busy port ends the start with one sentence that names the setting', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const port = String((server.address() as AddressInfo).port)
  const { code, err } = await runServer({ CEREBRAS_API_KEY: 'csk-x', LOOPGATE_PORT: port })
  t.equal(code, 1)
  t.match(err, new RegExp(`^Port ${port} on 127\\.0\\.0\\.1 is already in use.*LOOPGATE_PORT.*\\n$`))
})

t.test(
  'a port on which another gateway listens is as busy, though a gateway listens with several sockets',
  async (t) => {
    const gateway = await gatewayProcess(t, { upstreamUrl: 'http://127.0.0.1:9' })
    const { port } = new URL(gateway.url)
    const { code, err } = await runServer({ CEREBRAS_API_KEY: 'csk-x', LOOPGATE_PORT: port })
    t.equal(code, 1)
    t.match(err, `Port ${port} on 127.0.0.1 is already in use`)
    for (let count = 0; count < 200; count++) {
      const { status } = await fetch(`${gateway.url}/healthz`, { headers: { connection: 'close' } })
      if (status !== 200) t.fail(`call ${count}: ${status}`)
    }
  },
)

t.test('a bad environment ends the start with every fault and no stack', async (t) => {
  const { code, err } = await runServer({
    LOOPGATE_PROT: '1',
    LOOPGATE_PORT: 'http',
    LOOPGATE_API_KEYS: '[{"tenant":"A"}]',
    LOOPGATE_REDIS_URL: 'localhost:6379',
  })
  t.equal(code, 1)
  for (const name of [
    'LOOPGATE_PROT',
    'LOOPGATE_PORT',
    'LOOPGATE_API_KEYS',
    'LOOPGATE_REDIS_URL',
    'CEREBRAS_API_KEY',
  ]) {
    t.match(err, name)
  }
  t.notMatch(err, /\n {4}at /)
})

t.test('--print-config shows what holds, and no secret', async (t) => {
  const { code, out } = await runServer(
    {
      CEREBRAS_API_KEY: 'csk-secret',
      LOOPGATE_RUNNER_TOKEN: 'token-secret',
      LOOPGATE_CACHE_SECRET: 'cache-secret',
      LOOPGATE_REDIS_URL: 'redis://user:redis-secret@127.0.0.1:6379/1',
      LOOPGATE_API_KEYS: JSON.stringify([{ tenant: 'a', name: 'n', sha256: 'ab'.repeat(32), scopes: ['admin'] }]),
    },
    '--print-config',
  )
  t.equal(code, 0)
  t.match(JSON.parse(out), {
    LOOPGATE_PORT: 8080,
    LOOPGATE_EXECUTION_QUEUE_MS: 120_000,
    LOOPGATE_API_KEYS: [{ tenant: 'a' }],
  })
  t.notMatch(out, /secret@|csk-secret|token-secret|cache-secret|abab/)
  t.match(out, /127\.0\.0\.1:6379/)
})

t.test(
  'SIGTERM ends nothing that is under way: a stream, an execution and a late request are answered, then it exits 0',
  async (t) => {
    const open = Promise.withResolvers<ServerResponse>()
    const upstream = createServer((request: IncomingMessage, response) => {
      request.resume()
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n')
      open.resolve(response)
    }).listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    t.teardown(() => {
      upstream.close()
      upstream.closeAllConnections()
    })
    const gw = await gatewayProcess(t, {
      redis: null,
      upstreamUrl: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
    })
    const body = { model: 'm', stream: true, messages: [{ role: 'user', content: 'hi' }] }
    const stream = send(`${gw.url}/v1/chat/completions`, { key: gw.apiKey, body })
    const response = await open.promise
    const runner = await attach(t, gw)
    const execution = send(`${gw.url}/api/executions`, {
      key: gw.apiKey,
      body: { language: 'python', files: [{ path: 'a', content: '' }] },
    })
    const { leaseId } = await runner.hear('execute')
    runner.say({ type: 'accepted', leaseId })
    // A connection whose request is still on its way when the signal comes.
    const late = connect(Number(new URL(gw.url).port), '127.0.0.1')
    late.write('GET /readyz HTTP/1.1\r\nhost: x\r\n')
    t.equal((await send(`${gw.url}/readyz`)).json['ready'], true)

    const exited = once(gw.child, 'exit')
    gw.child.kill('SIGTERM')
    await runner.hear('drain')
    late.write('\r\n')
    const answer = String(((await once(late, 'data')) as [Buffer])[0])
    t.match(answer, /^HTTP\/1\.1 503 .*"ready":false/s, 'not ready any more, and says so')
    t.match(answer, /^connection: close\r$/im)
    await t.rejects(send(`${gw.url}/healthz`), 'nobody new is let in')

    runner.say({ type: 'result', leaseId, result: resultOf({ stdout: 'whole' }) })
    t.match(await execution, { status: 200, json: { stdout: 'whole' } })
    t.match(await runner.closed, { code: 4503 })
    response.write('data: {"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}\n\n')
    response.end('data: [DONE]\n\n')
    const { status, text } = await stream
    t.equal(status, 200)
    t.match(text, /"b".*\[DONE\]/s)
    t.strictSame(await exited, [0, null])
  },
)

t.test('a gateway whose starter is gone, over IPC, ends by itself', async (t) => {
  const gw = spawn(process.execPath, [SERVER], {
    env: { CEREBRAS_API_KEY: 'csk-x', LOOPGATE_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  t.teardown(() => gw.kill('SIGKILL'))
  await once(gw.stdout as NodeJS.ReadableStream, 'data')
  const exited = once(gw, 'exit')
  gw.disconnect()
  t.strictSame(await exited, [0, null])
})
