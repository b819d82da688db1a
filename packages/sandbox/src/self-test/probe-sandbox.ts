import { once } from 'node:events'
import { readFileSync, readlinkSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { homedir } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { executionRequestSchema, type ExecutionInput, type ExecutionRequest, type Isolation } from '@loopgate/contracts'
import { z } from 'zod'
import type { Runtime } from '../languages/runtime.ts'
import type { Prepared } from '../prepare.ts'
import type { LanguageVersion, SandboxResult, SelfTestReport } from '../types.ts'
import { explainRefusal } from './explain-refusal.ts'

type Check = SelfTestReport['checks'][number]

type RunProbe = (runtime: Runtime, request: ExecutionRequest) => Promise<SandboxResult>

const source = (name: string) => readFileSync(fileURLToPath(new URL(name, import.meta.url)), 'utf8')

const reportSchema = z.object({
  initEnvironment: z.string(),
  environment: z.array(z.string()),
  descriptors: z.array(z.int()),
  corePattern: z.string(),
  dropCaches: z.string(),
  rootWrite: z.string(),
  network: z.string(),
  processes: z.array(z.int()),
  visible: z.array(z.string()),
  capabilities: z.string(),
  seccomp: z.string(),
  noNewPrivileges: z.string(),
})
type ProbeReport = z.infer<typeof reportSchema>

/** Host paths that must not exist inside. /etc exists, with the loader's cache alone. */
function hiddenPaths(): string[] {
  const here = fileURLToPath(import.meta.url)
  return [
    '/home',
    '/root',
    '/var',
    '/etc/passwd',
    '/etc/shadow',
    '/sys',
    homedir(),
    process.cwd(),
    dirname(here),
  ].filter(
    // A process may well be started in a folder that exists inside too.
    (path) => path !== '/' && !path.startsWith('/usr') && !path.startsWith('/tmp') && path !== '/proc',
  )
}

/**
 * Runs a program in a real sandbox of each language that looks for every leak we know of. The tier counts only if
 * all of these checks hold, and at least one language's tools work.
 */
export async function probeSandbox(
  prepared: Prepared,
  tier: Isolation,
  run: RunProbe,
): Promise<Omit<SelfTestReport, 'enforced'>> {
  const checks: Check[] = prepared.refusals.map((detail) => ({
    name: 'machine',
    passed: true,
    detail: `without: ${detail}`,
  }))
  const languages: LanguageVersion[] = []
  let isSound = true
  const probed = new Set<string>()
  const listener = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  try {
    const { port } = listener.address() as AddressInfo
    for (const runtime of prepared.runtimes) {
      const { language, version } = runtime
      const surroundings = JSON.stringify([runtime.commands === undefined, runtime.env, runtime.binds])
      // Languages without a bootstrap run in the same sandbox, but for what is shown to them.
      if (runtime.commands === undefined || !probed.has(surroundings)) {
        const own = await probeLanguage(prepared, tier, runtime, port, run)
        checks.push(...own)
        isSound &&= own.every(({ passed }) => passed)
        probed.add(surroundings)
      }
      // Tools that do not work are no fault of the isolation: they cost their language alone.
      const works = isSound ? await probeTools(runtime, tier, run) : null
      if (works !== null) checks.push(works)
      if (works?.passed !== false) languages.push({ language, version })
    }
  } finally {
    listener.close()
  }
  const passed = isSound && languages.length > 0
  if (prepared.runtimes.length === 0)
    checks.push({ name: 'languages', passed: false, detail: 'no interpreter was found' })
  return { passed, checks, languages: passed ? languages : [] }
}

async function probeLanguage(
  prepared: Prepared,
  tier: Isolation,
  runtime: Runtime,
  port: number,
  run: RunProbe,
): Promise<Check[]> {
  const request = executionRequestSchema.parse({
    language: runtime.language,
    ...probeOf(runtime, port),
    limits: { wallMs: 20_000 },
    isolation: tier,
  })
  const name = (what: string) => `${runtime.language}: ${what}`
  const result = await run(runtime, request)
  if (result.outcome !== 'ok') {
    const said = `${result.message ?? ''} ${result.stderr}`.trim().slice(0, 1000)
    return [{ name: name('start'), passed: false, detail: explainRefusal(`${result.outcome}: ${said}`) }]
  }
  const parsed = reportSchema.safeParse(parseJson(result.stdout))
  if (!parsed.success) return [{ name: name('start'), passed: false, detail: 'the probe gave no report' }]
  return judge(parsed.data, tier, Object.keys(runtime.env), prepared.deps.openFilter !== null).map((check) => ({
    ...check,
    name: name(check.name),
  }))
}

/** The probe in the language itself where it has a bootstrap, else in the shell with its folders and environment. */
function probeOf(
  { language, commands }: Runtime,
  port: number,
): Partial<ExecutionInput> & Pick<ExecutionInput, 'files'> {
  if (commands !== undefined) {
    const command = ['/bin/sh', '-c', source('./probe.sh'), 'sh', readlinkSync('/proc/self/ns/net'), ...hiddenPaths()]
    return { files: [{ path: commands.fileName, content: '' }], command }
  }
  const name = language === 'python' ? 'probe.py' : 'probe.js'
  return { files: [{ path: name, content: source(`./${name}`) }], args: [String(port), ...hiddenPaths()] }
}

/** Compiles and runs the smallest program of a language without a bootstrap; null for the others. */
async function probeTools(
  { language, commands, ...rest }: Runtime,
  tier: Isolation,
  run: RunProbe,
): Promise<Check | null> {
  if (commands === undefined) return null
  const request = executionRequestSchema.parse({
    language,
    files: [{ path: commands.fileName, content: commands.probe }],
    limits: { wallMs: 20_000 },
    isolation: tier,
  })
  const { outcome, stderr, message = '' } = await run({ language, commands, ...rest }, request)
  const detail = outcome === 'ok' ? 'a program was built and ran' : `${outcome}: ${message}${stderr}`.slice(0, 1000)
  return { name: `${language}: tools`, passed: outcome === 'ok', detail }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Set by bubblewrap or by the shell that starts a program; the rest is the runtime's own short list. */
const OF_SHELLS = ['PWD', 'OLDPWD', 'SHLVL', '_']

function judge(report: ProbeReport, tier: Isolation, environment: readonly string[], filtered: boolean): Check[] {
  const isLinux = tier !== 'gvisor'
  const check = (name: string, passed: boolean, detail: unknown): Check => ({
    name,
    passed,
    detail: typeof detail === 'string' ? detail : JSON.stringify(detail),
  })
  const allowed = new Set([...environment, ...OF_SHELLS])
  const extra = report.environment.filter((name) => !allowed.has(name))
  // In gVisor the program itself is the first process, runsc is outside, and sysfs is made up like procfs.
  const ofInit = report.initEnvironment.split('\0').map((pair) => pair.split('=')[0] ?? '')
  const isShort = !isLinux && ofInit.every((name) => name === '' || allowed.has(name))
  return [
    check('start', true, 'a program ran in the sandbox'),
    check(
      'environment of pid 1 is empty',
      report.initEnvironment === '' || isShort,
      `${report.initEnvironment.length} characters`,
    ),
    check('environment is the short list', extra.length === 0, extra),
    check(
      'no inherited descriptors',
      report.descriptors.every((descriptor) => descriptor <= 3),
      report.descriptors,
    ),
    check(
      'procfs is read-only',
      report.corePattern !== 'allowed' && report.dropCaches !== 'allowed',
      report.corePattern,
    ),
    check('the root is read-only', report.rootWrite !== 'allowed', report.rootWrite),
    check('no network', report.network !== 'allowed', report.network),
    check('sees only its own processes', report.processes.length <= 3 && report.processes[0] === 1, report.processes),
    check(
      'host files are absent',
      report.visible.every((path) => !isLinux && path === '/sys'),
      report.visible,
    ),
    check('no capabilities', /^0+$/.test(report.capabilities), report.capabilities),
    // gVisor's kernel, which is not asked through a filter, does not tell of these.
    ...(isLinux
      ? [
          check('no new privileges', report.noNewPrivileges === '1', report.noNewPrivileges),
          check('system calls are filtered', !filtered || report.seccomp === '2', `mode ${report.seccomp}`),
        ]
      : []),
  ]
}
