import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { chooseCgroups } from '../src/cgroups/choose.ts'
import { sweep } from '../src/cgroups/files.ts'
import { createNoCgroups } from '../src/cgroups/none.ts'
import { createV2Backend } from '../src/cgroups/v2.ts'
import { ownerOf, ownPrefix, startTicks } from '../src/owner.ts'
import { ownCgroups } from './support/leftovers.ts'
import { until } from './support/processes.ts'
import { readySandbox } from './support/sandbox.ts'

const MIB = 1024 * 1024
const { backend, refusals } = chooseCgroups()
t.teardown(() => backend.close())
const skip = backend.kind === 'none' ? `no cgroups here: ${refusals.join('; ')}` : false

/** A process that waits for a line before it does anything. */
function waiting(t: { teardown: (fn: () => unknown) => void }, script: string) {
  const child = spawn('/bin/sh', ['-c', `read line; ${script}`], { stdio: ['pipe', 'pipe', 'ignore'] })
  t.teardown(() => child.kill('SIGKILL'))
  return { child, go: () => child.stdin.end('go\n') }
}

t.test('a process in a cgroup is counted and cannot go beyond its memory', { skip }, async (t) => {
  const cgroup = backend.create('memory', { memoryBytes: 32 * MIB, processes: 10 })
  const { child, go } = waiting(t, 'exec tail /dev/zero')
  await cgroup.add(child.pid ?? 0)
  t.equal(cgroup.isEmpty(), false)
  go()
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
  t.equal(signal, 'SIGKILL')
  const usage = cgroup.usage()
  t.equal(usage.oomKills, 1)
  t.ok((usage.cpuMs ?? 1) > 0, 'CPU time was counted')
  t.ok((usage.peakMemoryBytes ?? 32 * MIB) >= 30 * MIB, 'the peak was near the limit')
  await cgroup.remove()
})

t.test('a cgroup waits to be empty before it is removed, and its name is free again', { skip }, async (t) => {
  const cgroup = backend.create('again', { memoryBytes: 32 * MIB, processes: 10 })
  const { child } = waiting(t, ':')
  await cgroup.add(child.pid ?? 0)
  const removed = cgroup.remove()
  child.kill('SIGKILL')
  await removed
  t.doesNotThrow(() => void backend.create('again', { memoryBytes: 32 * MIB, processes: 10 }).remove())
})

t.test('no cgroup of an execution is left behind, and none is used twice', { skip }, async (t) => {
  const ready = await readySandbox(t)
  if ('refused' in ready) return void t.pass(`skipped: ${ready.refused}`)
  const files = [{ path: 'a.py', content: 'print(1)' }]
  // One of each back-end, and nothing in them: those of the self-test go within moments.
  await until(() => ownFolders().length === 2)
  const results = await Promise.all([1, 2, 3].map(() => ready.run({ language: 'python', files })))
  t.ok(results.every(({ isolation }) => isolation.enforced.some((each) => each.startsWith(`cgroup-${backend.kind}`))))
  await ready.sandbox.close()
  t.equal(ownFolders().length, 1)
})

/** The cgroups of this process in one hierarchy, those of executions included. */
const ownFolders = (): string[] => ownCgroups(backend.kind === 'v1' ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup')

t.test('a name tells whether the process that made it still lives', (t) => {
  const own = ownPrefix()
  const [, , namespace = '', , start = ''] = own.split('-')
  t.equal(ownerOf(`${own}0`), 'alive')
  t.equal(ownerOf(`loopgate-sandbox-${namespace}-${process.pid}-${Number(start) - 1}-0`), 'leftover', 'a reused pid')
  t.equal(ownerOf(`loopgate-sandbox-${namespace}-999999999-5-0`), 'leftover')
  t.equal(ownerOf(`loopgate-sandbox-1-${process.pid}-${start}-0`), 'foreign', 'of another pid namespace')
  t.equal(ownerOf('somebody-elses'), 'other')
  t.equal(startTicks(999_999_999), null)
  t.end()
})

t.test('the sweep at start removes what dead processes left and nothing else', (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'loopgate-test-'))
  t.teardown(() => rmSync(parent, { recursive: true, force: true }))
  const dead = ownPrefix().replace(/-\d+-\d+-$/, '-999999999-5-')
  const names = [`${dead}0`, `${ownPrefix()}0`, 'loopgate-sandbox-1-1-1-0', 'other']
  for (const name of names) mkdirSync(join(parent, name, 'e1'), { recursive: true })
  sweep(parent)
  t.same(readdirSync(parent).toSorted(), names.slice(1).toSorted())
  t.end()
})

t.test('without cgroups CPU time is read from procfs, children included, while the process lives', async (t) => {
  const cgroup = createNoCgroups().create('x', { memoryBytes: 1, processes: 1 })
  t.equal(cgroup.cpuMs(), null)
  const { child, go } = waiting(t, '(i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done); echo done; read line')
  await cgroup.add(child.pid ?? 0)
  child.stdin.write('go\n')
  await once(child.stdout, 'data')
  t.ok((cgroup.cpuMs() ?? 0) > 0)
  t.equal(cgroup.isEmpty(), false)
  go()
  await once(child, 'exit')
  t.equal(cgroup.isEmpty(), true)
})

// The unified hierarchy cannot be had with its controllers on every machine: this holds the files that
// are written, not the kernel's answer to them.
t.test('the v2 back-end writes limits to a delegated subtree and refuses one that is not', (t) => {
  const own = mkdtempSync(join(tmpdir(), 'loopgate-test-'))
  t.teardown(() => rmSync(own, { recursive: true, force: true }))
  writeFileSync(join(own, 'cgroup.controllers'), 'cpu pids')
  t.throws(() => createV2Backend(own), /memory controller is not delegated/)
  writeFileSync(join(own, 'cgroup.controllers'), 'cpu memory pids')
  createV2Backend(own).create('e1', { memoryBytes: 64 * MIB, processes: 7 })
  const base = readdirSync(own).find((name) => !name.endsWith('-self') && name.startsWith('loopgate')) ?? ''
  const read = (path: string) => readFileSync(join(own, path), 'utf8')
  t.equal(read('cgroup.subtree_control'), '+memory +pids')
  t.equal(read(join(base, 'cpu.weight')), String(Math.min(10_000, 200 * availableParallelism())))
  t.notOk(existsSync(join(base, 'e1/cpu.weight')), 'one sandbox weighs as much as another')
  t.equal(read(join(base, 'e1/memory.max')), String(64 * MIB))
  t.equal(read(join(base, 'e1/pids.max')), '7')
  t.equal(read(join(base, 'e1/memory.oom.group')), '1')
  t.notOk(existsSync(join(base, 'e1/memory.swap.max')), 'only where the kernel has it')
  t.end()
})

t.test('a subtree without the cpu controller is none the worse, but processes share the processor there', (t) => {
  const own = mkdtempSync(join(tmpdir(), 'loopgate-test-'))
  t.teardown(() => rmSync(own, { recursive: true, force: true }))
  writeFileSync(join(own, 'cgroup.controllers'), 'memory pids')
  t.notOk(createV2Backend(own).enforced.includes('cgroup-v2:cpu-share'))
  t.equal(readFileSync(join(own, 'cgroup.subtree_control'), 'utf8'), '+memory +pids')
  t.end()
})

t.test('a process in a cgroup shares the processor as its sandbox', { skip }, async (t) => {
  if (!backend.enforced.some((each) => each.endsWith(':cpu-share'))) return void t.pass('no cpu controller here')
  const cgroup = backend.create('share', { memoryBytes: 32 * MIB, processes: 10 })
  const { child } = waiting(t, ':')
  const cpuOf = () => {
    const lines = readFileSync(`/proc/${child.pid}/cgroup`, 'utf8').split('\n')
    return lines.find((line) => (backend.kind === 'v1' ? /^\d+:(?:[^:]*,)?cpu[,:]/ : /^0::/).test(line)) ?? ''
  }
  t.notMatch(cpuOf(), ownPrefix())
  await cgroup.add(child.pid ?? 0)
  t.ok(cpuOf().includes(`/${ownPrefix()}`) && cpuOf().endsWith('/share'), cpuOf())
  child.kill('SIGKILL')
  await once(child, 'exit')
  await cgroup.remove()
})

t.test('limits hold without cgroups as far as a process has them', async (t) => {
  const ready = await readySandbox(t, { cgroups: 'none' })
  if ('refused' in ready) return void t.pass(`skipped: ${ready.refused}`)
  const run = (content: string, limits: object) =>
    ready.run({ language: 'python', files: [{ path: 'a.py', content }], limits })
  t.match(await run('while True: pass', { cpuMs: 300 }), { outcome: 'time_limit' })
  t.match(await run('x = bytearray(1 << 30)', { memoryBytes: 64 * MIB }), { outcome: 'memory_limit' })
  const fine = await run('print(1)', {})
  t.match(fine, { outcome: 'ok', stdout: '1\n' })
  t.notOk(fine.isolation.enforced.some((each) => each.startsWith('cgroup-')))
})
