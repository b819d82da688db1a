import t from 'tap'
import {
  EXPLAINED,
  expectedSolved,
  humanEvalJs,
  humanEvalPython,
  KNOWN_SETS,
  knownCases,
  mbppSanitized,
  multiplEJs,
  recordedSamples,
} from '../src/index.ts'

t.test('the sets have the sizes that their README gives', async (t) => {
  t.equal(humanEvalPython().length, 164)
  t.equal(humanEvalJs().length, 164)
  t.equal(multiplEJs().length, 161)
  t.equal(recordedSamples().length, 164)
  t.equal(mbppSanitized().length, 427)
  t.ok(mbppSanitized().every((problem) => problem.canonicalPasses))
  t.equal(humanEvalJs().filter((problem) => !problem.canonicalPasses).length, 3)
  t.equal(multiplEJs().filter((problem) => problem.referenceCompletion !== null).length, 153)
  t.ok(humanEvalPython().every((problem) => problem.canonicalPasses))
})

t.test('no field is missing from any row', async (t) => {
  for (const rows of [humanEvalPython(), humanEvalJs(), multiplEJs(), mbppSanitized(), recordedSamples()]) {
    for (const row of rows)
      t.ok(
        Object.values(row).every((value) => value !== undefined),
        JSON.stringify(row).slice(0, 60),
      )
  }
})

t.test('each file is read once', async (t) => {
  t.equal(humanEvalPython(), humanEvalPython())
  t.equal(recordedSamples(), recordedSamples())
})

t.test('every task has 100 samples and a verdict for each, with the published totals', async (t) => {
  const counts = new Map<string, number>()
  for (const { samples, verdicts } of recordedSamples()) {
    t.equal(samples.length, 100)
    t.equal(verdicts.length, 100)
    for (const verdict of verdicts) counts.set(verdict, (counts.get(verdict) ?? 0) + 1)
  }
  t.strictSame(Object.fromEntries(counts), { P: 3625, A: 9200, E: 2746, S: 771, T: 22, X: 36 })
})

t.test('a budget solves the tasks with a pass among its samples, and a larger one never fewer', async (t) => {
  t.equal(expectedSolved(0).length, 0)
  t.equal(expectedSolved(100).length, 121)
  for (const { taskId, firstPassing } of expectedSolved(25)) {
    const task = recordedSamples().find((candidate) => candidate.taskId === taskId)!
    t.ok(firstPassing < 25)
    t.equal(task.verdicts[firstPassing], 'P')
    t.notOk(task.verdicts.slice(0, firstPassing).includes('P'))
  }
  const sizes = [1, 4, 10, 25, 50, 100].map((budget) => expectedSolved(budget).length)
  t.same(
    sizes,
    [...sizes].sort((a, b) => a - b),
  )
  t.equal(expectedSolved(1).length, recordedSamples().filter(({ verdicts }) => verdicts.startsWith('P')).length)
})

t.test('every set has a case for each program whose verdict is known', async (t) => {
  const sizes = KNOWN_SETS.map((set) => [set, knownCases(set).length])
  t.strictSame(sizes, [
    ['samples', 16_400],
    ['humaneval', 164],
    ['mbpp', 427],
    ['humaneval-js', 164],
    ['multipl-e-js', 153],
  ])
  for (const set of KNOWN_SETS) {
    for (const { name, file, check } of knownCases(set)) {
      if (!file.content.includes(check.entryPoint)) t.fail(`${name} does not define ${check.entryPoint}`)
    }
  }
})

t.test('what is explained is a case, under its name', async (t) => {
  const names = new Set(KNOWN_SETS.flatMap((set) => knownCases(set).map(({ name }) => name)))
  t.strictSame(
    Object.keys(EXPLAINED).filter((name) => !names.has(name)),
    [],
  )
})
