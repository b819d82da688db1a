import type { ExecutionRequest, Isolation } from '@loopgate/contracts'
import type { LanguageVersion, Sandbox, SelfTestReport } from '@loopgate/sandbox'
import type { Logger } from '@loopgate/service-kit'

/** The isolation tiers of this runner; each is offered only once its own self-test has passed. */
export type Tiers = {
  /** Tests all of them. Never throws. */
  readonly test: () => Promise<void>
  /** The sandbox of the tier and language asked for; undefined if it is not offered here. */
  readonly of: (request: Pick<ExecutionRequest, 'isolation' | 'language'>) => Sandbox | undefined
  readonly offered: () => Isolation[]
  /** Each language once, with the tiers that run it. */
  readonly languages: () => Array<LanguageVersion & { tiers: Isolation[] }>
  /** Whether there is any tier to offer, with the checks of all of them. */
  readonly selfTest: () => Pick<SelfTestReport, 'passed' | 'checks'>
  readonly close: () => Promise<void>
}

export function createTiers(logger: Logger, sandboxes: readonly Sandbox[]): Tiers {
  const reports = new Map<Sandbox, SelfTestReport>()
  const sound = () => [...reports].filter(([, report]) => report.passed)
  return {
    test: async () => {
      // In the order of the tiers, however long each takes.
      const all = await Promise.all(sandboxes.map(async (sandbox) => ({ sandbox, report: await sandbox.selfTest() })))
      for (const { sandbox, report } of all) {
        const { tier } = sandbox
        reports.set(sandbox, report)
        const failed = report.checks.filter(({ passed }) => !passed)
        const { languages, enforced } = report
        if (report.passed) logger.info({ tier, languages, enforced }, 'the sandbox is sound')
        else if (enforced.length === 0) logger.warn({ tier, failed }, 'the tier is not to be had on this machine')
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
      const all = new Map<string, LanguageVersion & { tiers: Isolation[] }>()
      for (const [{ tier }, { languages }] of sound()) {
        for (const each of languages) {
          const known = all.get(each.language)
          if (known === undefined) all.set(each.language, { ...each, tiers: [tier] })
          else known.tiers.push(tier)
        }
      }
      return [...all.values()]
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
