import { humanEvalPython } from './humaneval.ts'
import { lazily } from './jsonl.ts'
import { recordedSamples, type RecordedTask } from './recorded.ts'

/** How much of a docstring must agree, after its white space is folded; the shortest there is has 27. */
const DOCSTRING_CHARS = 80
/** How far behind the signature the docstring's start is looked for: room for indentation. */
const WINDOW_CHARS = 400

type Entry = { readonly task: RecordedTask; readonly docstringStart: string }

const fold = (text: string): string => text.split(/\s+/).join(' ').trim()

function commonPrefix(a: string, b: string): string {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1
  return a.slice(0, length)
}

/** The text behind the signature line of the entry point, folded. */
function behindSignature(prompt: string, signature: string): string {
  return fold(prompt.slice(prompt.indexOf(signature) + signature.length))
}

function signatureLine(task: RecordedTask): string {
  const line = task.prompt.split('\n').find((candidate) => candidate.startsWith(`def ${task.entryPoint}(`))
  if (line === undefined) throw new Error(`${task.taskId} has no signature of its entry point`)
  return line.trim()
}

/**
 * Signature line → the tasks that have it (two lines are shared by two tasks each). The start of
 * the docstring is what the recorded prompt and the original one have in common, so either matches.
 */
const bySignature = lazily((): ReadonlyMap<string, readonly Entry[]> => {
  const originals = new Map(humanEvalPython().map((problem) => [problem.taskId, problem.prompt]))
  const index = new Map<string, Entry[]>()
  for (const task of recordedSamples()) {
    const signature = signatureLine(task)
    const recorded = behindSignature(task.prompt, signature)
    const original = behindSignature(originals.get(task.taskId) ?? task.prompt, signature)
    const docstringStart = commonPrefix(recorded, original).slice(0, DOCSTRING_CHARS)
    index.set(signature, [...(index.get(signature) ?? []), { task, docstringStart }])
  }
  return index
})

/**
 * Finds the recorded HumanEval task that a prompt holds: its signature line followed by the start
 * of its docstring, with or without the examples, whatever prose or code fence stands around. Where
 * a text holds several tasks (worked examples come first in a prompt), the last one is meant.
 * Costs one scan of the text, so it is fit for every request of a simulator.
 */
export function findRecordedTask(text: string): RecordedTask | undefined {
  const index = bySignature()
  for (let at = text.lastIndexOf('def '); at !== -1; at = at === 0 ? -1 : text.lastIndexOf('def ', at - 1)) {
    const newline = text.indexOf('\n', at)
    if (newline === -1) continue
    const entries = index.get(text.slice(at, newline).trim())
    if (entries === undefined) continue
    const behind = fold(text.slice(newline, newline + WINDOW_CHARS))
    const found = entries.find((entry) => behind.startsWith(entry.docstringStart))
    if (found !== undefined) return found.task
  }
  return undefined
}
