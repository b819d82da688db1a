import t from 'tap'
import { makeReport, type Ended } from '../demo/report.ts'
import { solve } from '../demo/solve.ts'
import { fewProblems, foretoldGenerations, foretoldIterations, testStack } from './test-stack.ts'

const accepted = (ended: readonly Ended[]) =>
  Object.fromEntries(ended.map(({ problem, view }) => [problem.taskId, view.accepted?.candidateSha256 ?? null]))

t.test(
  'loops solve exactly the problems that the recorded verdicts foretell, and a second run costs nothing',
  async (t) => {
    const { stack, client } = await testStack(t)
    const problems = fewProblems(16)

    const first = await solve(client, problems, () => {})
    const report = makeReport(first.ended, first.counters, first.elapsedMs)
    t.strictSame(report.mismatches, [])
    t.strictSame(report.flaky, [])
    t.equal(report.solved, problems.filter(({ firstPassing }) => firstPassing !== null).length)
    t.ok(report.solved > 0 && report.solved < problems.length, 'the problems chosen hold solvable and unsolvable ones')
    t.equal(report.iterations, foretoldIterations(problems))
    t.equal(report.upstreamCalls, foretoldGenerations(problems))
    const stats = (await (await fetch(`${stack.dev().upstreamUrl}/__sim/stats`)).json()) as { requests: number }
    t.equal(stats.requests, report.upstreamCalls, 'the upstream counts the calls that the gateway counts')

    const second = await solve(client, problems, () => {})
    t.equal(second.counters.upstreamCalls, 0)
    t.equal(second.counters.generations.hit, foretoldGenerations(problems))
    t.strictSame(accepted(second.ended), accepted(first.ended))
  },
)
