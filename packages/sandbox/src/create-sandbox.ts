import type { ExecutionRequest } from '@loopgate/contracts'
import { systemClock, type Clock, type Logger } from '@loopgate/service-kit'
import { candidateSha256 } from './candidate-hash.ts'
import { runChecks } from './checker/run-checks.ts'
import type { SessionDeps } from './jail/session.ts'
import type { Runtime } from './languages/runtime.ts'
import { runtimeOf, startedBy } from './typescript/runtime-of.ts'
import { prepare, type Prepared } from './prepare.ts'
import { faultResult, resultOf, type Ran } from './result.ts'
import { runProgram } from './run-program.ts'
import { probeSandbox } from './self-test/probe-sandbox.ts'
import type { Backend } from './tiers/backend.ts'
import { probeTypescript } from './self-test/probe-typescript.ts'
import { createBackend } from './tiers/create-backend.ts'
import { stripRequest } from './typescript/strip-request.ts'
import { createStrippers, type Strippers } from './typescript/strippers.ts'
import type {
  ExecuteOptions,
  LanguageVersion,
  Sandbox,
  SandboxOptions,
  SandboxResult,
  SelfTestReport,
} from './types.ts'

/**
 * One isolation tier; what differs between them is a `Backend` (tiers/), how strong each is stands in SECURITY.md.
 * Nothing is looked for or started before `selfTest`, and nothing runs unless that has passed.
 */
export function createSandbox(deps: { logger: Logger; clock?: Clock }, options: SandboxOptions = {}): Sandbox {
  const clock = deps.clock ?? systemClock
  const tier = options.tier ?? 'process'
  const live = new Set<AbortController>()
  let ready: Ready | null = null
  let report: Promise<SelfTestReport> | null = null
  let isSound = false
  let counter = 0

  const test = async (): Promise<SelfTestReport> => {
    const failed = (detail: string): SelfTestReport => ({
      passed: false,
      checks: [{ name: 'start', passed: false, detail }],
      languages: [],
      enforced: [],
    })
    let prepared: Prepared | null = null
    try {
      prepared = prepare(clock, options)
      const backend = await createBackend(tier, prepared, { clock, logger: deps.logger }, options)
      const node = prepared.runtimes.find((each) => each.node !== undefined)
      const strippers = node === undefined ? null : createStrippers(prepared, node, clock)
      ready = { prepared, backend, strippers, enforced: enforcedBy(prepared, backend) }
    } catch (error) {
      await prepared?.close()
      return failed((error as Error).message)
    }
    for (const refusal of prepared.refusals) deps.logger.warn({ refusal }, 'the sandbox does without something')
    const { backend, enforced } = ready
    const { runtimes, sessions } = backend.around ?? { runtimes: backend.runtimes, sessions: undefined }
    const probed = await probeSandbox(
      { ...prepared, runtimes },
      backend.around === undefined ? tier : 'process',
      (runtime, request) => run(runtime, request, SELF_TEST, sessions),
    )
    const more = probed.passed ? await probeMore(backend) : []
    isSound = probed.passed && more.every((check) => check.passed)
    if (isSound) backend.onSound?.()
    const found = backend.around === undefined ? probed.languages : backend.runtimes
    const languages: LanguageVersion[] = found.map(({ language, version }) => ({ language, version }))
    const typed = isSound
      ? await probeTypescript(tier, backend.runtimes, (runtime, request) =>
          run(runtime, request, { ...SELF_TEST, tenant: undefined }),
        )
      : null
    if (typed?.passed === true) languages.push({ language: 'typescript', version: typed.version })
    const checks = [...probed.checks, ...more, ...(typed?.checks ?? [])]
    return { passed: isSound, checks, languages: isSound ? languages : [], enforced }
  }

  const probeMore = async ({ probe }: Backend): Promise<SelfTestReport['checks']> => {
    try {
      return await probe((runtime, request) => run(runtime, request, SELF_TEST))
    } catch (error) {
      return [{ name: `${tier}: start`, passed: false, detail: (error as Error).message }]
    }
  }

  const run = async (
    runtime: Runtime,
    request: ExecutionRequest,
    { executionId, signal, onOutput, tenant }: ExecuteOptions,
    otherSessions?: SessionDeps,
  ): Promise<SandboxResult> => {
    if (ready === null) throw new Error('the sandbox is not prepared')
    signal.throwIfAborted()
    const { backend, enforced, strippers } = ready
    const sessions = otherSessions ?? backend.sessionsOf(tenant ?? null)
    const abort = new AbortController()
    const stop = () => abort.abort(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    live.add(abort)
    const begunMs = clock.now()
    const id = `e${(counter += 1)}`
    const init = {
      closeFds: otherSessions === undefined ? backend.closeFds : ready.prepared.closeFds,
      sitePaths: runtime.sitePaths,
      isTyped: request.language === 'typescript',
    }
    const startedAs = startedBy(backend.runtimes, runtime)
    const execute = (untyped: ExecutionRequest): Promise<Ran> =>
      untyped.checks.length > 0
        ? runChecks(sessions, startedAs, untyped, id, init, abort.signal, candidateSha256(request.files))
        : runProgram(sessions, startedAs, untyped, id, init, { executionId, signal: abort.signal, onOutput })
    try {
      const isTyped = request.language === 'typescript' && request.command === undefined && strippers !== null
      const stripped = isTyped ? await stripRequest(strippers, tenant ?? null, request) : { request }
      const ran = 'ran' in stripped ? stripped.ran : await execute(stripped.request)
      abort.signal.throwIfAborted()
      return resultOf(ran, request, runtime, { tier, enforced }, executionId)
    } catch (error) {
      abort.signal.throwIfAborted()
      deps.logger.error({ err: error, executionId }, 'an execution met a fault of the machine')
      return faultResult(error as Error, request, runtime, { tier, enforced }, executionId, clock.now() - begunMs)
    } finally {
      signal.removeEventListener('abort', stop)
      live.delete(abort)
    }
  }

  return {
    tier,
    selfTest: () => (report ??= test()),
    execute: async (request, execute) => {
      if (!isSound) throw new Error('the self-test of the sandbox has not passed')
      const runtime = ready && runtimeOf(ready.backend.runtimes, request.language)
      const known = (await report)?.languages.some(({ language }) => language === request.language)
      if (runtime == null || known !== true) throw new Error(`no sandbox for ${request.language} here`)
      return run(runtime, request, execute)
    },
    close: async () => {
      isSound = false
      for (const abort of live) abort.abort(new Error('the sandbox is closing'))
      await report
      while (live.size > 0) await new Promise<void>((resolve) => void setImmediate(resolve))
      await ready?.strippers?.close()
      await ready?.backend.close()
      await ready?.prepared.close()
    },
  }
}

const SELF_TEST: ExecuteOptions = {
  executionId: 'self-test',
  tenant: 'self-test',
  signal: new AbortController().signal,
}

type Ready = {
  readonly prepared: Prepared
  readonly backend: Backend
  readonly strippers: Strippers | null
  readonly enforced: readonly string[]
}

function enforcedBy({ deps }: Prepared, { enforced }: Backend): string[] {
  return [...enforced, 'rlimits', ...(deps.openFilter === null ? [] : ['seccomp']), ...deps.cgroups.enforced]
}
