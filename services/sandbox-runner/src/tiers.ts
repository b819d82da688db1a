import type { ExecutionRequest, Isolation } from '@loopgate/contracts'
import type { LanguageVersion, Sandbox, SelfTestReport } from '@loopgate/sandbox'
import type { Logger } from '@loopgate/service-kit'

/** The isolation tiers of this runner; each is offered only once its own self-test has passed. */
export type Tiers = {
  /** Tests each of them, one after the other. Never throws. */
  readonly test: () => Promise<void>
  /** The sandbox of the tier and language asked for; undefined if it is not offered here. */
  readonly of: (request: Pick<ExecutionRequest, 'isolation' | 'language'>) => Sandbox | undefined
  readonly offered: () => Isolation[]
  readonly languages: () => LanguageVersion[]
  /** Whether there is any tier to offer, with the checks of all of them. */
  readonly selfTest: () => Pick<SelfTestReport, 'passed' | 'checks'>
  readonly close: () => Promise<void>
}

export function createTiers(logger: Logger, sandboxes: readonly Sandbox[]): Tiers {
  const reports = new Map<Sandbox, SelfTestReport>()
  const sound = () => [...reports].filter(([, report]) => report.passed)
  return {
    test: async () => {
      for (const sandbox of sandboxes) {
        const { tier } = sandbox
        const report = await sandbox.selfTest()
        reports.set(sandbox, report)
        const failed = report.checks.filter(({ passed }) => !passed)
        const { languages, enforced } = report
        if (report.passed) logger.info({ tier, languages, enforced }, 'the sandbox is sound')
        else logger.error({ tier, failed }, 'the self-test of the sandbox failed: its tier is not offered')
      }
      if (sound().length === 0) logger.error('no tier is sound: this runner takes no executions')
    },
    of: ({ isolation, language }) =>
      sound().find(
        ([{ tier }, { languages }]) => tier === isolation && languages.some((each) => each.language === language),
      )?.[0],
    offered: () => sound().map(([{ tier }]) => tier),
    languages: () => {
      const all = sound().flatMap(([, { languages }]) => languages)
      return [...new Map(all.map((each) => [each.language, each])).values()]
    },
    selfTest: () => ({
      passed: sound().length > 0,
      checks: [...reports].flatMap(([{ tier }, { checks }]) =>
        checks.map((check) => ({ ...check, name: `${tier}: ${check.name}` })),
      ),
    }),
    close: async () => {
      await Promise.all(sandboxes.map((sandbox) => sandbox.close()))
    },
  }
}
