import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { homedir } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { executionRequestSchema, type ExecutionRequest, type Isolation } from '@loopgate/contracts'
import { z } from 'zod'
import type { Runtime } from '../languages/runtime.ts'
import type { Prepared } from '../prepare.ts'
import type { LanguageVersion, SandboxResult, SelfTestReport } from '../types.ts'
import { explainRefusal } from './explain-refusal.ts'

type Check = SelfTestReport['checks'][number]

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
 * Runs a program in a real sandbox of each language that looks for every leak we know of. A language
 * counts only if all of its checks hold; the tier only if at least one language does.
 */
export async function probeSandbox(
  prepared: Prepared,
  tier: Isolation,
  run: (runtime: Runtime, request: ExecutionRequest) => Promise<SandboxResult>,
): Promise<Omit<SelfTestReport, 'enforced'>> {
  const checks: Check[] = prepared.refusals.map((detail) => ({
    name: 'machine',
    passed: true,
    detail: `without: ${detail}`,
  }))
  const languages: LanguageVersion[] = []
  const listener = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  try {
    const { port } = listener.address() as AddressInfo
    for (const runtime of prepared.runtimes) {
      const own = await probeLanguage(prepared, tier, runtime, port, run)
      checks.push(...own)
      if (own.every(({ passed }) => passed)) languages.push({ language: runtime.language, version: runtime.version })
    }
  } finally {
    listener.close()
  }
  const passed = languages.length > 0 && languages.length === prepared.runtimes.length
  if (prepared.runtimes.length === 0)
    checks.push({ name: 'languages', passed: false, detail: 'no interpreter was found' })
  return { passed, checks, languages: passed ? languages : [] }
}

async function probeLanguage(
  prepared: Prepared,
  tier: Isolation,
  runtime: Runtime,
  port: number,
  run: (runtime: Runtime, request: ExecutionRequest) => Promise<SandboxResult>,
): Promise<Check[]> {
  const isPython = runtime.language === 'python'
  const request = executionRequestSchema.parse({
    language: runtime.language,
    files: [{ path: isPython ? 'probe.py' : 'probe.js', content: source(isPython ? './probe.py' : './probe.js') }],
    args: [String(port), ...hiddenPaths()],
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
  return judge(parsed.data, Object.keys(runtime.env), prepared.deps.openFilter !== null).map((check) => ({
    ...check,
    name: name(check.name),
  }))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** PWD is set by bubblewrap, the rest is the runtime's own short list. */
function judge(report: ProbeReport, environment: readonly string[], filtered: boolean): Check[] {
  const check = (name: string, passed: boolean, detail: unknown): Check => ({
    name,
    passed,
    detail: typeof detail === 'string' ? detail : JSON.stringify(detail),
  })
  const allowed = new Set([...environment, 'PWD'])
  const extra = report.environment.filter((name) => !allowed.has(name))
  return [
    check('start', true, 'a program ran in the sandbox'),
    check(
      'environment of pid 1 is empty',
      report.initEnvironment === '',
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
    check('host files are absent', report.visible.length === 0, report.visible),
    check('no capabilities', /^0+$/.test(report.capabilities), report.capabilities),
    check('no new privileges', report.noNewPrivileges === '1', report.noNewPrivileges),
    check('system calls are filtered', !filtered || report.seccomp === '2', `mode ${report.seccomp}`),
  ]
}
