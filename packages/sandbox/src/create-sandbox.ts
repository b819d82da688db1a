import type { ExecutionRequest, Isolation } from '@loopgate/contracts'
import { systemClock, type Clock, type Logger } from '@loopgate/service-kit'
import { runChecks } from './checker/run-checks.ts'
import { createForkTier, type ForkTier } from './fork/create-fork-tier.ts'
import { ALWAYS_ENFORCED, FORK_ENFORCED } from './jail/arguments.ts'
import { startJail } from './jail/jail.ts'
import type { SessionDeps } from './jail/session.ts'
import type { Runtime } from './languages/runtime.ts'
import { prepare, type Prepared } from './prepare.ts'
import { faultResult, resultOf, type Ran } from './result.ts'
import { runProgram } from './run-program.ts'
import { probeSiblings } from './self-test/probe-siblings.ts'
import { probeSandbox } from './self-test/probe-sandbox.ts'
import type { ExecuteOptions, Sandbox, SandboxOptions, SandboxResult, SelfTestReport } from './types.ts'

/**
 * The tier `process`: a fresh bubblewrap for every execution, and one more for every check. The tier
 * `fork`: a fork of a warm Python in namespaces of its own for each. Both are as strong as the host's
 * kernel: they hold against ordinary hostile code, not against a kernel bug. Nothing is looked for or started before `selfTest`, and nothing runs unless that has passed.
 */
export function createSandbox(deps: { logger: Logger; clock?: Clock }, options: SandboxOptions = {}): Sandbox {
  const clock = deps.clock ?? systemClock
  const tier = options.tier ?? 'process'
  const live = new Set<AbortController>()
  let prepared: Prepared | null = null
  let sessions: SessionDeps | null = null
  let forks: ForkTier | null = null
  let report: Promise<SelfTestReport> | null = null
  let isReady = false
  let counter = 0

  const test = async (): Promise<SelfTestReport> => {
    try {
      const found = prepare(clock, options)
      prepared = found
      if (tier === 'fork') forks = await createForkTier(found, deps.logger, options.forksOfOne)
      sessions = {
        clock,
        startJail: forks?.startJail ?? ((spec) => startJail(found.deps, spec)),
        canStartDirectly: forks === null,
      }
    } catch (error) {
      const detail = (error as Error).message
      return { passed: false, checks: [{ name: 'start', passed: false, detail }], languages: [], enforced: [] }
    }
    for (const refusal of prepared.refusals) deps.logger.warn({ refusal }, 'the sandbox does without something')
    const enforced = enforcedBy(prepared, tier)
    const tested = forks === null ? prepared : { ...prepared, runtimes: [forks.runtime] }
    const probed = await probeSandbox(tested, tier, (runtime, request) =>
      run(prepared, runtime, request, { executionId: 'self-test', signal: new AbortController().signal }),
    )
    const siblings = forks === null || !probed.passed ? [] : await siblingsOf(prepared, sessions, forks)
    const passed = probed.passed && siblings.every((check) => check.passed)
    isReady = passed
    const languages = passed ? probed.languages : []
    return { passed, checks: [...probed.checks, ...siblings], languages, enforced }
  }

  const siblingsOf = async (found: Prepared, ready: SessionDeps, { runtime }: ForkTier) => {
    try {
      return await probeSiblings(ready, runtime, initOf(found, runtime))
    } catch (error) {
      return [{ name: 'siblings: start', passed: false, detail: (error as Error).message }]
    }
  }

  /** What every bootstrap is told. A server of forks has closed by itself what it was left. */
  const initOf = ({ closeFds }: Prepared, { sitePaths }: Runtime) => ({
    closeFds: tier === 'fork' ? [] : closeFds,
    sitePaths,
  })

  const run = async (
    ready: Prepared | null,
    runtime: Runtime,
    request: ExecutionRequest,
    { executionId, signal, onOutput }: ExecuteOptions,
  ): Promise<SandboxResult> => {
    if (ready === null || sessions === null) throw new Error('the sandbox is not prepared')
    signal.throwIfAborted()
    const abort = new AbortController()
    const stop = () => abort.abort(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    live.add(abort)
    const begunMs = clock.now()
    const id = `e${(counter += 1)}`
    const init = initOf(ready, runtime)
    try {
      const ran: Ran =
        request.checks.length > 0
          ? await runChecks(sessions, runtime, request, id, init, abort.signal)
          : await runProgram(sessions, runtime, request, id, init, { executionId, signal: abort.signal, onOutput })
      abort.signal.throwIfAborted()
      return resultOf(ran, request, runtime, { tier, enforced: enforcedBy(ready, tier) }, executionId)
    } catch (error) {
      abort.signal.throwIfAborted()
      deps.logger.error({ err: error, executionId }, 'an execution met a fault of the machine')
      const held = { tier, enforced: enforcedBy(ready, tier) }
      return faultResult(error as Error, request, runtime, held, executionId, clock.now() - begunMs)
    } finally {
      signal.removeEventListener('abort', stop)
      live.delete(abort)
    }
  }

  return {
    tier,
    selfTest: () => (report ??= test()),
    execute: async (request, execute) => {
      if (!isReady) throw new Error('the self-test of the sandbox has not passed')
      const runtime = prepared?.runtimes.find(({ language }) => language === request.language)
      const known = (await report)?.languages.some(({ language }) => language === request.language)
      if (runtime === undefined || known !== true) throw new Error(`no sandbox for ${request.language} here`)
      return run(prepared, runtime, request, execute)
    },
    close: async () => {
      isReady = false
      for (const abort of live) abort.abort(new Error('the sandbox is closing'))
      await report
      while (live.size > 0) await new Promise<void>((resolve) => void setImmediate(resolve))
      await forks?.close()
      await prepared?.close()
    },
  }
}

function enforcedBy({ deps }: Prepared, tier: Isolation): string[] {
  const always = tier === 'fork' ? FORK_ENFORCED : ALWAYS_ENFORCED
  return [...always, 'rlimits', ...(deps.openFilter === null ? [] : ['seccomp']), ...deps.cgroups.enforced]
}
