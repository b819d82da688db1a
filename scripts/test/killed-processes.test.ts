import t from 'tap'
import type { Client } from '@loopgate/client'
import { until } from '@loopgate/testkit/until'
import { makeReport } from '../demo/report.ts'
import { solve } from '../demo/solve.ts'
import { fewProblems, foretoldGenerations, foretoldIterations, mostInFlight, testStack } from './test-stack.ts'

/** Resolves once the first verdict of any loop is committed: the moment work is in full flight. */
const firstVerdict = (client: Client): Promise<void> =>
  until(async () => {
    const { loops } = await client.loops.list({ limit: 50 })
    return loops.some(({ counts }) => counts.iterations > 0)
  }, 60_000)

for (const victim of ['sandbox-runner', 'loop-worker'] as const) {
  t.test(`a ${victim} killed in full flight changes nothing of what is solved`, async (t) => {
    const { stack, client, said } = await testStack(t)
    const problems = fewProblems(12)
    const pid = stack.dev().pids[victim] as number

    const solving = solve(client, problems, () => {})
    await firstVerdict(client)
    process.kill(pid, 'SIGKILL')
    const { ended, counters, elapsedMs } = await solving

    const report = makeReport(ended, counters, elapsedMs)
    t.strictSame(report.mismatches, [])
    t.equal(report.iterations, foretoldIterations(problems), 'each iteration was judged once')
    t.match(said.join('\n'), `${victim} (pid ${pid}) was killed by SIGKILL; starting it again`)
    t.not(stack.dev().pids[victim], pid, 'a new process took its place')
    const paid = report.upstreamCalls - foretoldGenerations(problems)
    t.ok(
      paid >= 0 && paid <= mostInFlight(problems),
      `${paid} generations were paid twice, none beyond those in flight`,
    )
  })
}
