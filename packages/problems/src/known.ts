import { humanEvalJs, humanEvalPython, multiplEJs } from './humaneval.ts'
import { mbppSanitized } from './mbpp.ts'
import { recordedSamples } from './recorded.ts'

/** A program whose verdict is known, as a candidate with the one check that gives it. */
export type KnownCase = {
  /** The problem, and which of its samples where it has several. */
  readonly name: string
  readonly problem: string
  readonly language: 'python' | 'javascript'
  readonly file: { readonly path: string; readonly content: string }
  readonly check: {
    readonly id: string
    readonly entryPoint: string
    readonly source: string
    readonly prelude: string
  }
  readonly expected: 'pass' | 'fail'
  /** What was written down when the verdict was made: a letter of `RecordedTask`, or `canonical`. */
  readonly recorded: string
}

/** Cases that are judged otherwise in a sandbox, by name, and why. */
export const EXPLAINED: Readonly<Record<string, string>> = {
  'HumanEval/48, sample 88': 'it imports boto3, which stood on the machine of the recording and is in no sandbox',
  ...Object.fromEntries(
    ['MBPP/737', 'MBPP/787', 'MBPP/794'].map((name) => [
      name,
      'it returns what a regular expression found, which is no plain data; the asserts ask only whether there is something',
    ]),
  ),
}

/** The sets by their names. */
export const KNOWN_SETS = ['samples', 'humaneval', 'mbpp', 'humaneval-js', 'multipl-e-js'] as const
export type KnownSet = (typeof KNOWN_SETS)[number]

const python = (content: string) => ({ path: 'solution.py', content })
const javascript = (content: string) => ({ path: 'solution.js', content })

function samples(): KnownCase[] {
  const tests = new Map(humanEvalPython().map((problem) => [problem.taskId, problem]))
  return recordedSamples().flatMap((task) => {
    const problem = tests.get(task.taskId)
    if (problem === undefined) throw new Error(`${task.taskId} has samples and no test`)
    const { prompt: prelude, test: source, entryPoint } = problem
    return task.samples.map((sample, i): KnownCase => {
      const recorded = task.verdicts[i] ?? ''
      return {
        name: `${task.taskId}, sample ${i}`,
        problem: task.taskId,
        language: 'python',
        file: python(task.prompt + sample),
        check: { id: 'humaneval', entryPoint, source, prelude },
        expected: recorded === 'P' ? 'pass' : 'fail',
        recorded,
      }
    })
  })
}

const canonical = (problem: string, passes: boolean) =>
  ({ name: problem, problem, expected: passes ? 'pass' : 'fail', recorded: 'canonical' }) as const

const humanEval = (): KnownCase[] =>
  humanEvalPython().map(({ taskId, prompt, entryPoint, canonicalSolution, test, canonicalPasses }) => ({
    ...canonical(taskId, canonicalPasses),
    language: 'python',
    file: python(prompt + canonicalSolution),
    check: { id: 'humaneval', entryPoint, source: test, prelude: prompt },
  }))

/** The asserts call one function of the solution, the one that a check can call, and use what the solution imports. */
const mbpp = (): KnownCase[] =>
  mbppSanitized().map(({ taskId, code, testImports, testList, canonicalPasses }) => {
    const source = [...testImports, ...testList].join('\n')
    const prelude = (code.match(/^(?:import|from) .*$/gm) ?? []).join('\n')
    const defined = [...code.matchAll(/^def (\w+)/gm)].flatMap(([, name]) => name ?? [])
    const entryPoint = defined.find((name) => new RegExp(`\\b${name}\\(`).test(source))
    if (entryPoint === undefined) throw new Error(`MBPP/${taskId} calls no function of its solution`)
    return {
      ...canonical(`MBPP/${taskId}`, canonicalPasses),
      language: 'python',
      file: python(code),
      check: { id: 'mbpp', entryPoint, source, prelude },
    }
  })

const humanEvalX = (): KnownCase[] =>
  humanEvalJs().map(({ taskId, declaration, canonicalSolution, test, canonicalPasses }) => {
    const entryPoint = [...declaration.matchAll(/const (\w+) =/g)].at(-1)?.[1]
    if (entryPoint === undefined) throw new Error(`${taskId} declares no function`)
    const prelude = declaration.slice(0, declaration.indexOf(`const ${entryPoint} =`))
    return {
      ...canonical(taskId, canonicalPasses),
      language: 'javascript',
      file: javascript(declaration + canonicalSolution),
      check: { id: 'humaneval-x', entryPoint, source: test, prelude },
    }
  })

const multiplE = (): KnownCase[] =>
  multiplEJs().flatMap(({ name, prompt, referenceCompletion, tests }) => {
    if (referenceCompletion === null) return []
    const entryPoint = /function (\w+)\([^)]*\)\s*\{\s*$/.exec(prompt)?.[1]
    if (entryPoint === undefined) throw new Error(`${name} opens no function`)
    return {
      ...canonical(name, true),
      language: 'javascript',
      file: javascript(prompt + referenceCompletion),
      check: { id: 'multipl-e', entryPoint, source: tests, prelude: '' },
    }
  })

const MAKERS: Readonly<Record<KnownSet, () => KnownCase[]>> = {
  samples,
  humaneval: humanEval,
  mbpp,
  'humaneval-js': humanEvalX,
  'multipl-e-js': multiplE,
}

/** Every case of one set, in its order: 16,400 recorded samples, 164, 427, 164 and 153 reference solutions. */
export const knownCases = (set: KnownSet): KnownCase[] => MAKERS[set]()
