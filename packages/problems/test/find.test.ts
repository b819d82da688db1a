import t from 'tap'
import { findRecordedTask, humanEvalPython, recordedSamples } from '../src/index.ts'

const tasks = recordedSamples()
const originals = new Map(humanEvalPython().map((problem) => [problem.taskId, problem.prompt]))

const surroundings: Record<string, (prompt: string) => string> = {
  'bare prompt': (prompt) => prompt,
  'prompt without its last line break': (prompt) => prompt.trimEnd(),
  'prompt inside prose and a code fence': (prompt) =>
    `Finish this function. It defines add(x) somewhere.\n\n\`\`\`python\n${prompt}\`\`\`\n\nAnswer with the body only.\n`,
  'prompt with Windows line ends': (prompt) => prompt.replaceAll('\n', '\r\n'),
  'prompt indented as a block': (prompt) => prompt.replaceAll('\n', '\n    '),
}

for (const [name, surround] of Object.entries(surroundings)) {
  t.test(`every task is found in its own ${name}, recorded or original`, async (t) => {
    const missed = tasks.flatMap((task) =>
      [task.prompt, originals.get(task.taskId) ?? '']
        .filter((prompt) => findRecordedTask(surround(prompt)) !== task)
        .map(() => task.taskId),
    )
    t.same(missed, [])
  })
}

t.test('tasks that share an entry point or even a signature line are told apart', async (t) => {
  const shared = new Set(['triangle_area', 'add', 'correct_bracketing', 'solve', 'sort_array', 'sum_squares'])
  const twins = tasks.filter((task) => shared.has(task.entryPoint))
  t.equal(twins.length, 12)
  for (const task of twins) t.equal(findRecordedTask(task.prompt)?.taskId, task.taskId)
})

t.test('of several tasks in one text the last is meant', async (t) => {
  const [first, second] = [tasks[0]!, tasks[1]!]
  t.equal(findRecordedTask(`${first.prompt}    return True\n\n${second.prompt}`), second)
  t.equal(findRecordedTask(`${second.prompt}    return []\n\n${first.prompt}`), first)
})

t.test('a task followed by a rejected attempt at it is still found', async (t) => {
  for (const task of tasks) {
    const attempt = `${task.prompt}${task.samples[0]}`
    t.equal(findRecordedTask(`Task:\n${task.prompt}\nYour last attempt:\n${attempt}\nFailed: AssertionError`), task)
  }
})

t.test('a signature without its docstring, or with another one, is no task', async (t) => {
  t.equal(findRecordedTask('def add(x: int, y: int):\n    return x + y\n'), undefined)
  t.equal(findRecordedTask('def add(x: int, y: int):\n    """Subtract."""\n'), undefined)
  t.equal(findRecordedTask(''), undefined)
  t.equal(findRecordedTask('def '), undefined)
  t.equal(findRecordedTask('def \n'.repeat(10_000)), undefined)
})
