import { availableParallelism } from 'node:os'
import { CLOSE_CODES, isolationSchema, type RunnerInfo } from '@loopgate/contracts'
import { createSandbox, type Sandbox, type SandboxOptions } from '@loopgate/sandbox'
import { systemClock, type Clock, type Logger } from '@loopgate/service-kit'
import type { Config } from './config.ts'
import { createKeptResults } from './kept-results.ts'
import { createLinks } from './links.ts'
import { createLoadReport } from './load-report.ts'
import { createTiers } from './tiers.ts'
import { createWork } from './work.ts'

/** A sandbox runner: it dials gateways and runs what they send. */
export type Runner = {
  /** Tests the sandboxes and begins to dial; resolves once the tests have ended, whatever they found. Never throws. */
  readonly start: () => Promise<void>
  /** Takes nothing new, finishes what runs and delivers it, then closes. */
  readonly drain: () => Promise<void>
  /** Kills what runs and closes. */
  readonly close: () => Promise<void>
}

/** Tiers that are tried; those whose self-test passes are offered. */
const TIERS = isolationSchema.options

/** How long a drained runner waits for the gateways to acknowledge its last results. */
const LAST_RESULTS_MS = 5_000
const POLL_MS = 10

export function createRunner(deps: {
  config: Config
  logger: Logger
  clock?: Clock
  sandboxes?: readonly Sandbox[]
}): Runner {
  const { config, logger } = deps
  const clock = deps.clock ?? systemClock
  const options: SandboxOptions = {
    bwrapPath: config.LOOPGATE_BWRAP_PATH,
    pythonPath: config.LOOPGATE_PYTHON_PATH,
    nodePath: config.LOOPGATE_NODE_PATH,
    runscPath: config.LOOPGATE_RUNSC_PATH,
    launcherUid: config.LOOPGATE_RUNNER_UID,
    languages: config.LOOPGATE_RUNNER_LANGUAGES,
    ...(config.LOOPGATE_RUNNER_WARM_MAX > 0 && {
      warm: {
        floor: config.LOOPGATE_RUNNER_WARM_MIN,
        ceiling: config.LOOPGATE_RUNNER_WARM_MAX,
        cores: availableParallelism(),
      },
    }),
  }
  const sandboxes = deps.sandboxes ?? TIERS.map((tier) => createSandbox({ logger, clock }, { ...options, tier }))
  const tiers = createTiers(logger, sandboxes)
  const kept = createKeptResults(clock)
  const info = (): RunnerInfo => ({
    runnerId: config.LOOPGATE_RUNNER_ID,
    languages: tiers.languages(),
    tiers: tiers.offered(),
    slots: config.LOOPGATE_RUNNER_SLOTS,
    selfTest: tiers.selfTest(),
  })
  const links = createLinks({
    clock,
    logger,
    token: config.LOOPGATE_RUNNER_TOKEN,
    info,
    onWelcome: (gatewayId) => {
      for (const { leaseId, result } of kept.of(gatewayId)) links.send(gatewayId, { type: 'result', leaseId, result })
      if (draining) links.send(gatewayId, { type: 'draining' })
      if (work.running() > 0) links.send(gatewayId, { type: 'load', running: work.running() })
    },
    onSucceeded: (gatewayId) => work.abandon(gatewayId),
    onFrame: (gatewayId, frame) => {
      if (frame.type === 'execute') work.execute(gatewayId, frame)
      else if (frame.type === 'cancel') work.cancel(gatewayId, frame.leaseId)
      else if (frame.type === 'retire') retire()
      else if (frame.type === 'ack') kept.acknowledge(gatewayId, frame.leaseId)
      // `drain`: that replica gives out nothing more. It closes the socket itself when it is done.
    },
  })
  const load = createLoadReport(clock, () => links.sendAll({ type: 'load', running: work.running() }))
  const work = createWork(
    { clock, logger, sandboxOf: tiers.of, kept, send: links.send, offer: links.offer, onRunning: load.changed },
    { runnerId: config.LOOPGATE_RUNNER_ID, slots: config.LOOPGATE_RUNNER_SLOTS },
  )
  const retire = () => {
    draining = true
    work.retire()
    links.sendAll({ type: 'draining' })
    logger.info('a gateway asked this runner to take nothing more')
  }
  let draining = false
  let stayAlive: NodeJS.Timeout | undefined

  return {
    start: async () => {
      // Between two tries to reach a gateway nothing else keeps the process from ending.
      stayAlive = setInterval(() => {}, 2 ** 30)
      await tiers.test()
      links.dial(config.LOOPGATE_GATEWAY_URL)
    },
    drain: async () => {
      draining = true
      links.sendAll({ type: 'draining' })
      await work.drain()
      const untilMs = clock.now() + LAST_RESULTS_MS
      while (kept.size() > 0 && clock.now() < untilMs)
        await new Promise<void>((resolve) => setTimeout(resolve, POLL_MS))
      links.close(CLOSE_CODES.draining, 'the runner is shutting down')
      await tiers.close()
      clearInterval(stayAlive)
    },
    close: async () => {
      draining = true
      const ended = work.drain()
      work.abort()
      links.close(CLOSE_CODES.draining, 'the runner is closing')
      await ended
      await tiers.close()
      clearInterval(stayAlive)
    },
  }
}
