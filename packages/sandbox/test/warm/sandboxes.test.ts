import t from 'tap'
import { ownPrefix } from '../../src/owner.ts'
import { processesWith, until } from '../support/processes.ts'

process.env['SANDBOX_TEST_WARM'] = '1'
const { sandboxFor } = await import('../support/sandbox.ts')
const { run, sandbox } = await sandboxFor(t)

const python = (content: string, rest: object = {}) =>
  run({ language: 'python', files: [{ path: 'main.py', content }], ...rest })
const javascript = (content: string, rest: object = {}) =>
  run({ language: 'javascript', files: [{ path: 'a.js', content }], ...rest })

/** Each sandbox is three processes whose arguments name our folder: two of bubblewrap and the interpreter. */
const waiting = () => processesWith(ownPrefix()).length / 2
const untilWarm = () => until(() => waiting() >= 4)

const DEFAULTS = { cpuMs: 5000, wallMs: 30_000 }

t.test('a program finds a sandbox that waits for it, which nothing has been in before', async (t) => {
  const leaves =
    'import os, builtins\nprint(os.listdir("/tmp"), hasattr(builtins, "left"))\nbuiltins.left = 1\nopen("/tmp/left", "w")'
  for (let i = 0; i < 6; i++) {
    await untilWarm()
    const result = await python(leaves)
    t.match(result, { outcome: 'ok', stdout: "['work'] False\n", isolation: { warm: true, achieved: 'process' } })
  }
  await untilWarm()
  t.match(await javascript('console.log(1)', { limits: DEFAULTS }), { stdout: '1\n', isolation: { warm: true } })
})

t.test('limits other than those that it was started with hold exactly in it, or it is not taken', async (t) => {
  await untilWarm()
  const memory = await python('x = bytearray(100 << 20)', { limits: { memoryBytes: 64 << 20 } })
  t.match(memory, { outcome: 'memory_limit', isolation: { warm: true } })
  await untilWarm()
  const forks = 'import os\nn = 0\ntry:\n  while os.fork(): n += 1\nexcept OSError: print(n, flush=True)\nos._exit(0)'
  t.match(await python(forks, { limits: { processes: 4 } }), { stdout: '3\n', isolation: { warm: true } })
  await untilWarm()
  const disk =
    'try:\n  open("/tmp/x", "wb").write(b"x" * (30 << 20))\nexcept OSError as e: print(e.errno)\nelse: print("fits")'
  t.match(await python(disk, { limits: { diskBytes: 64 << 20 } }), { stdout: 'fits\n', isolation: { warm: false } })
  await untilWarm()
  const heap = await javascript('const x = []; for (;;) x.push(new Array(1000).fill(1))', {
    limits: { ...DEFAULTS, memoryBytes: 96 << 20 },
  })
  t.match(heap, { outcome: 'memory_limit', isolation: { warm: false } })
  await untilWarm()
  const output = await python('print("x" * 5000)', { limits: { outputBytes: 1024 } })
  t.match(output, { outcome: 'output_limit', isolation: { warm: true } })
  await untilWarm()
  const cpu = await python('while True: pass', { limits: { cpuMs: 100 } })
  t.match(cpu, { outcome: 'time_limit', isolation: { warm: true } })
})

t.test('a command, a language without a bootstrap and the checks of one come up as they must', async (t) => {
  const command = await python('', { command: ['echo', 'x'] })
  t.match(command, { outcome: 'ok', stdout: 'x\n', isolation: { warm: false } })
  t.match(await run({ language: 'shell', files: [{ path: 'a.sh', content: 'echo y' }] }), { stdout: 'y\n' })
})

t.test('sandboxes that wait end with their owner', async (t) => {
  await untilWarm()
  await sandbox.close()
  t.same(processesWith(ownPrefix()), [])
})
