import { until as untilWithin } from '@loopgate/testkit/until'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { runner } from '@loopgate/testkit/runner'
import { untouched } from '@loopgate/testkit/untouched-spawn'
import t from 'tap'
import { execute, gatewayStub, welcome, type StubLink } from './support/gateway-stub.ts'

const TOKEN = 'process-token-canary'
const SERVER = fileURLToPath(new URL('../src/server.ts', import.meta.url))

type Scope = Parameters<typeof runner>[0]

/** A real runner process that is attached to a stub of a gateway. */
async function attached(t: Scope, options: { slots?: number; env?: Record<string, string> } = {}) {
  const gateway = await gatewayStub(t)
  const connecting = gateway.connection().then(async (link) => {
    const hello = await link.next('hello')
    link.send(welcome())
    return { link, hello }
  })
  const process = await runner(t, {
    gatewayUrl: gateway.url,
    token: TOKEN,
    slots: options.slots ?? 2,
    env: options.env ?? {},
  })
  return { gateway, process, ...(await connecting) }
}

const probe = await attached(t)
const refused = probe.hello.info.selfTest.passed
  ? false
  : JSON.stringify(probe.hello.info.selfTest.checks.filter((each) => !each.passed))
probe.process.kill()
const machines = refused !== false && /refuses user namespaces|not installed|procfs cannot/.test(refused)
if (refused !== false && !machines) t.fail(refused)
const skip = machines ? refused : false

/** Pids of this machine whose command line holds the text. */
function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text)
      } catch {
        return false
      }
    })
    .map(Number)
}

const until = (holds: () => boolean): Promise<void> => untilWithin(holds, 30_000)

const foldersOf = (pid: number) =>
  readdirSync(tmpdir()).filter((name) => name.startsWith('loopgate-sandbox-') && name.includes(`-${pid}-`))

const marker = () => `${50_000 + Math.floor(Math.random() * 40_000)}.${Date.now()}`
const sleeper = (seconds: string) => `import os\nos.execv("/bin/sleep", ["sleep", "${seconds}"])`

async function result(link: StubLink, leaseId: string) {
  t.match(await link.next('accepted'), { leaseId })
  return (await link.next('result')).result
}

t.test('a real runner runs Python, JavaScript and a check for the gateway', { skip }, async (t) => {
  const { link, hello } = await attached(t)
  t.match(hello.info, { tiers: ['process', 'fork', 'isolate'], slots: 2, selfTest: { passed: true } })
  link.send(execute('py', 'print(6 * 7)'))
  t.match(await result(link, 'py'), { outcome: 'ok', stdout: '42\n', runnerId: hello.info.runnerId })
  link.send(execute('js', 'x', { language: 'javascript', files: [{ path: 'a.js', content: 'console.log(6 * 7)' }] }))
  t.match(await result(link, 'js'), { outcome: 'ok', stdout: '42\n' })
  const checks = [{ id: 'c', entryPoint: 'f', source: 'assert f(6) == 42' }]
  link.send(execute('fork', 'print(6 * 7)', { isolation: 'fork' }))
  t.match(await result(link, 'fork'), { outcome: 'ok', stdout: '42\n', isolation: { achieved: 'fork' } })
  link.send(execute('isolate', 'console.log(6 * 7)', { isolation: 'isolate', language: 'javascript' }))
  t.match(await result(link, 'isolate'), { outcome: 'ok', stdout: '42\n', isolation: { achieved: 'isolate' } })
  link.send(execute('check', 'def f(x):\n  return x * 7', { checks }))
  t.match(await result(link, 'check'), { outcome: 'ok', checks: [{ verdict: 'pass', calls: 1 }] })
})

t.test('neither the token nor anything of the runner’s environment is inside a sandbox', { skip }, async (t) => {
  const { link } = await attached(t, { env: { CEREBRAS_API_KEY: 'csk-canary' } })
  const source = `
import os
for pid in [name for name in os.listdir("/proc") if name.isdigit()]:
    for file in ("environ", "cmdline"):
        try: print(open("/proc/%s/%s" % (pid, file), "rb").read())
        except OSError: pass
print(dict(os.environ))`
  link.send(execute('env', source))
  const { stdout, outcome } = await result(link, 'env')
  t.equal(outcome, 'ok')
  t.notMatch(stdout, /canary|LOOPGATE_/)
})

t.test('SIGKILL of the runner takes every sandbox with it', { skip }, async (t) => {
  const { link, process } = await attached(t, { slots: 3 })
  const seconds = [marker(), marker(), marker()]
  link.send(...seconds.map((each, i) => execute(String(i), sleeper(each))))
  await until(() => seconds.every((each) => processesWith(each).length > 0))
  process.kill('SIGKILL')
  await process.exited
  await until(() => seconds.every((each) => processesWith(each).length === 0))
  t.pass('nothing of them is left')
})

t.test('what a killed runner left behind is removed by the next one', { skip }, async (t) => {
  const first = await attached(t)
  first.process.kill('SIGKILL')
  await first.process.exited
  const left = () => foldersOf(first.process.pid)
  t.not(left().length, 0)
  await attached(t)
  t.same(left(), [])
})

t.test('SIGTERM lets what runs end, delivers it, and exits with 0', { skip }, async (t) => {
  const { link, process } = await attached(t)
  // Long enough to be running still when the signal comes, by however little.
  link.send(execute('a', 'import time\ntime.sleep(0.5)\nprint("finished")'))
  await link.next('accepted')
  process.kill('SIGTERM')
  await link.next('draining')
  link.send(execute('b', 'print(1)'))
  t.match(await link.next('busy'), { leaseId: 'b' })
  t.match(await link.next('result'), { leaseId: 'a', result: { outcome: 'ok', stdout: 'finished\n' } })
  link.send({ type: 'ack', leaseId: 'a' })
  t.same(await process.exited, { code: 0, signal: null })
  t.same(foldersOf(process.pid), [])
})

t.test('an idle runner ends at once on SIGTERM', { skip }, async (t) => {
  const { process } = await attached(t)
  process.kill('SIGTERM')
  t.same(await process.exited, { code: 0, signal: null })
})

t.test('the token is in no line of the log', { skip }, async (t) => {
  const { gateway, process, link } = await attached(t, { env: { LOOPGATE_LOG_LEVEL: 'trace' } })
  link.socket.terminate()
  await gateway.connection()
  t.ok(process.logs().length > 0)
  t.notMatch(process.logs(), TOKEN)
})

t.test('a bad environment is refused with every fault named', async (t) => {
  const env = {
    PATH: process.env['PATH'],
    LOOPGATE_GATEWAY_URL: 'ftp://x',
    LOOPGATE_RUNNER_SLOTS: '0',
    LOOPGATE_TYPO: '1',
  }
  const child = untouched(() => spawn(process.execPath, [SERVER], { env, stdio: ['ignore', 'ignore', 'pipe'] }))
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  t.equal(code, 1)
  for (const name of ['LOOPGATE_GATEWAY_URL', 'LOOPGATE_RUNNER_TOKEN', 'LOOPGATE_RUNNER_SLOTS', 'LOOPGATE_TYPO'])
    t.match(said, name)
})
