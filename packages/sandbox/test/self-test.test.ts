import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { createSandbox, type SelfTestReport } from '@loopgate/sandbox'
import t from 'tap'
import { explainRefusal } from '../src/self-test/explain-refusal.ts'
import { isMachines, logger, readySandbox, TOOLS } from './support/sandbox.ts'

const first = await readySandbox(t)
const refused = 'refused' in first ? first.refused : null
if (refused !== null && !isMachines(refused)) t.fail(refused)
const skip = refused ?? false
const needsRoot = skip !== false ? skip : process.getuid?.() === 0 ? false : 'only root drops to another user'
const program = fileURLToPath(new URL('./support/print-self-test.ts', import.meta.url))

/** The report of a fresh process, started by `command` if it needs a particular parent. */
async function reportOf(
  options: { env?: NodeJS.ProcessEnv; stdio?: 'pipe' | number[]; command?: readonly string[] } = {},
): Promise<SelfTestReport> {
  const words = [...(options.command ?? []), process.execPath, program]
  const inherited = Array.isArray(options.stdio) ? options.stdio : []
  const child = spawn(words[0] ?? '', words.slice(1), {
    env: { PATH: process.env['PATH'], ...options.env },
    stdio: ['ignore', 'pipe', 'inherit', ...inherited],
  })
  const [output] = await Promise.all([text(child.stdout as NodeJS.ReadableStream), once(child, 'exit')])
  return JSON.parse(output) as SelfTestReport
}

const failedOf = (report: SelfTestReport) => report.checks.filter(({ passed }) => !passed)

t.test('a sound sandbox proves it for each language and says what it enforces', { skip }, async (t) => {
  if ('refused' in first) return
  const report = await first.sandbox.selfTest()
  t.equal(report.passed, true)
  t.same(report.languages.map(({ language }) => language).slice(0, 3), ['python', 'javascript', 'shell'])
  for (const held of ['read-only-procfs', 'empty-environment', 'capabilities:none', 'rlimits']) {
    t.ok(report.enforced.includes(held), held)
  }
})

t.test('secrets in the environment of this process stay outside', { skip }, async (t) => {
  const report = await reportOf({ env: { SECRET: 'hunter2', LD_PRELOAD: '', PYTHONSTARTUP: '/nowhere' } })
  t.same(failedOf(report), [])
})

t.test('a descriptor that the launcher of this process left open does not get inside', { skip }, async (t) => {
  // Far beyond those that Node marks by itself, and with a gap before it.
  const file = openSync('/etc/passwd', 'r')
  const inherited = [...Array.from({ length: 197 }, () => 'ignore' as never), file]
  const report = await reportOf({ stdio: inherited })
  t.same(failedOf(report), [])
})

t.test('where user namespaces are refused the tier is refused, in plain words', { skip }, async (t) => {
  const bwrap = realpathSync(TOOLS.bwrapPath ?? '/usr/bin/bwrap')
  const inside = [
    '--unshare-user',
    '--uid',
    '65534',
    '--gid',
    '65534',
    '--disable-userns',
    '--dev-bind',
    '/',
    '/',
    '--die-with-parent',
    '--',
  ]
  const report = await reportOf({ command: [bwrap, ...inside] })
  t.equal(report.passed, false)
  t.same(report.languages, [])
  t.match(failedOf(report)[0]?.detail, /refuses user namespaces[\s\S]*max_user_namespaces/)
})

t.test('root that cannot become another user is told so', { skip: needsRoot }, async (t) => {
  const bwrap = realpathSync(TOOLS.bwrapPath ?? '/usr/bin/bwrap')
  const report = await reportOf({
    command: [bwrap, '--unshare-user', '--dev-bind', '/', '/', '--die-with-parent', '--'],
  })
  t.match(failedOf(report), [{ name: 'start', detail: /cannot be started as user 65534/ }])
})

t.test('process 1 of a container, which reaps nothing, is told to have an init', { skip: needsRoot }, async (t) => {
  const report = await reportOf({ command: ['unshare', '--pid', '--fork', '--mount-proc'] })
  t.match(failedOf(report), [{ name: 'start', detail: /under an init/ }])
})

t.test('nothing runs in a sandbox whose self-test has not passed', async (t) => {
  const sandbox = createSandbox({ logger }, { ...TOOLS, bwrapPath: '/nowhere/bwrap' })
  t.teardown(() => sandbox.close())
  const request = { language: 'python', files: [{ path: 'a.py', content: '' }] } as never
  const options = { executionId: 'x', signal: new AbortController().signal }
  await t.rejects(sandbox.execute(request, options), /self-test/)
  const report = await sandbox.selfTest()
  t.match(report, { passed: false, languages: [], checks: [{ name: 'start', passed: false }] })
  await t.rejects(sandbox.execute(request, options), /self-test/)
})

t.test(
  'a shim in place of an interpreter is refused, and so is a launcher that stays root',
  { skip: needsRoot },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'loopgate-test-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const shim = join(folder, 'python3')
    writeFileSync(shim, '#!/bin/sh\nexec /usr/bin/python3 "$@"\n', { mode: 0o755 })
    const shimmed = createSandbox({ logger }, { ...TOOLS, pythonPath: shim })
    t.teardown(() => shimmed.close())
    const report = await shimmed.selfTest()
    t.match(report.checks[0], { detail: /perhaps a script or a shim/ })
    t.notOk(report.languages.some(({ language }) => language === 'python'))
    t.ok(report.languages.some(({ language }) => language === 'javascript'))
    const root = createSandbox({ logger }, { ...TOOLS, launcherUid: 0 })
    t.teardown(() => root.close())
    t.match(await root.selfTest(), { passed: false, checks: [{ detail: /never started by root/ }] })
  },
)

t.test(
  'programs in a folder that only root may enter are brought where the launcher reaches them',
  { skip: needsRoot },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'loopgate-test-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    chmodSync(folder, 0o700)
    const place = (from: string, name: string) => {
      copyFileSync(realpathSync(from), join(folder, name))
      return join(folder, name)
    }
    const real = /exec "([^"]+)"/.exec(readWrapper(TOOLS.bwrapPath))?.[1] ?? TOOLS.bwrapPath ?? '/usr/bin/bwrap'
    const program = place(real, 'bwrap-program')
    mkdirSync(join(folder, 'lib'))
    const bwrapPath = join(folder, 'bwrap')
    writeFileSync(bwrapPath, `#!/bin/sh\nexport LD_LIBRARY_PATH="${join(folder, 'lib')}"\nexec "${program}" "$@"\n`, {
      mode: 0o755,
    })
    const ready = await readySandbox(t, { bwrapPath, nodePath: place(process.execPath, 'node') })
    if ('refused' in ready) return t.fail(ready.refused)
    const result = await ready.run({ language: 'javascript', files: [{ path: 'a.js', content: 'console.log(6 * 7)' }] })
    t.match(result, { outcome: 'ok', stdout: '42\n' })
  },
)

t.test(
  'a Python that was unpacked into a folder of its own runs from there, libraries included',
  { skip },
  async (t) => {
    const folder = mkdtempSync(join('/var/tmp', 'loopgate-test-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const system = realpathSync('/usr/bin/python3')
    const name = system.slice(system.lastIndexOf('/') + 1)
    mkdirSync(join(folder, 'usr/bin'), { recursive: true })
    mkdirSync(join(folder, 'usr/lib/x86_64-linux-gnu'), { recursive: true })
    copyFileSync(system, join(folder, 'usr/bin', name))
    // The library itself is borrowed; what is tested is that it is found beside the interpreter.
    cpSync(`/usr/lib/${name}`, join(folder, 'usr/lib', name), { recursive: true, verbatimSymlinks: true })
    if (process.getuid?.() === 0) chmodSync(folder, 0o700)
    const ready = await readySandbox(t, { pythonPath: join(folder, 'usr/bin', name) })
    if ('refused' in ready) return t.fail(ready.refused)
    const content =
      'import sys, json, os\nprint(sys.executable, json.__file__.startswith("/opt/python"), os.environ["LD_LIBRARY_PATH"])'
    const result = await ready.run({ language: 'python', files: [{ path: 'a.py', content }] })
    t.match(result, { outcome: 'ok', stdout: `/opt/python/bin/${name} True /opt/python/libraries/0\n` })
  },
)

t.test('what bubblewrap says of a refusal is explained with what to do', (t) => {
  t.match(
    explainRefusal('bwrap: No permissions to create new namespace, likely because the kernel'),
    /unprivileged_userns_clone/,
  )
  t.match(explainRefusal('bwrap: setting up uid map: Permission denied'), /AppArmor/)
  t.match(explainRefusal("bwrap: Can't mount proc on /newroot/proc: Operation not permitted"), /unmasked/i)
  t.match(explainRefusal('bwrap: Unknown option --disable-userns'), /0\.8/)
  t.equal(explainRefusal('something else'), 'something else')
  t.end()
})

function readWrapper(path: string | undefined): string {
  if (path === undefined) return ''
  return readFileSync(path).subarray(0, 4096).toString('latin1')
}
