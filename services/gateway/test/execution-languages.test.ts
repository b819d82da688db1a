import { createHash } from 'node:crypto'
import { executionResultSchema, runnerListSchema } from '@loopgate/contracts'
import { gateway } from '@loopgate/testkit/gateway'
import { runner } from '@loopgate/testkit/runner'
import t from 'tap'
import { send } from './kit/http.ts'
import { noSandboxes } from './kit/real-runner.ts'

const skip = await noSandboxes(t)

t.test('what a real runner compiles, runs and finds comes back through the door', { skip }, async (t) => {
  const gw = await gateway(t, { redis: null })
  const languages = JSON.stringify([
    { language: 'posix-sh', version: ['sh', '-c', 'echo 1.0'], run: ['sh', '{entry}'], fileName: 'a.sh', probe: ':' },
  ])
  await runner(t, { gatewayUrl: gw.url, token: gw.runnerToken, env: { LOOPGATE_RUNNER_LANGUAGES: languages } })
  const { json } = await send(`${gw.url}/api/runners`, { key: gw.adminKey })
  const offered = runnerListSchema.parse(json).runners[0]?.languages.map(({ language }) => language) ?? []
  const run = async (body: object) => {
    const reply = await send(`${gw.url}/api/executions`, { key: gw.apiKey, body })
    t.equal(reply.status, 200, reply.text)
    return executionResultSchema.parse(reply.json)
  }

  const shell = await run({
    language: 'posix-sh',
    files: [
      { path: 'a.sh', content: 'mkdir out; printf hello > out/a.txt; ln -s /etc/passwd out/b.txt; printf "\\377"' },
    ],
    artifacts: ['out/*.txt'],
  })
  t.match(shell, { outcome: 'ok', stage: 'run', isolation: { warm: false } })
  t.equal(shell.streams?.stdout.base64, Buffer.from([255]).toString('base64'))
  const sha256 = createHash('sha256').update('hello').digest('hex')
  t.match(shell.artifacts, [
    { path: 'out/a.txt', sizeBytes: 5, sha256, base64: Buffer.from('hello').toString('base64') },
    { path: 'out/b.txt', skippedReason: 'symlink' },
  ])

  if (!offered.includes('c')) return t.comment('no C compiler here')
  const files = [{ path: 'main.c', content: '#include <stdio.h>\nint main(void) { puts("c"); return 3; }' }]
  t.match(await run({ language: 'c', files }), { outcome: 'runtime_error', exitCode: 3, stdout: 'c\n' })
  const broken = await run({ language: 'c', files: [{ path: 'main.c', content: 'int main(void) { return }' }] })
  t.match(broken, { outcome: 'compile_error', stage: 'compile', compile: { exitCode: 1 }, stderr: /error/ })
})
