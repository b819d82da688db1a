import type { Random } from './random.ts'
import { countTokens } from './tokens.ts'

const VERBS = ['merge', 'filter', 'collect', 'rank', 'group', 'split', 'count', 'order', 'pack', 'trim']
const NOUNS = ['Batches', 'Scores', 'Events', 'Samples', 'Windows', 'Entries', 'Prices', 'Tokens', 'Rows', 'Jobs']

const TEMPLATES: ReadonlyArray<(name: string, a: number, b: number) => string> = [
  (name, a, b) =>
    `export function ${name}(values: number[], limit = ${b}): number[] {\n  const kept: number[] = []\n  for (const value of values) {\n    if (value % ${a} === 0) continue\n    kept.push(value * ${a})\n  }\n  return kept.slice(0, limit)\n}\n`,
  (name, a) =>
    `export function ${name}(text: string): Map<string, number> {\n  const counts = new Map<string, number>()\n  for (const word of text.split(/\\s+/)) {\n    if (word.length < ${a}) continue\n    counts.set(word, (counts.get(word) ?? 0) + 1)\n  }\n  return counts\n}\n`,
  (name, a, b) =>
    `export function ${name}<T>(items: readonly T[], size = ${a}): T[][] {\n  const groups: T[][] = []\n  for (let start = 0; start < items.length; start += size) {\n    groups.push(items.slice(start, start + size))\n  }\n  return groups.slice(0, ${b})\n}\n`,
  (name, a, b) =>
    `export function ${name}(left: number[], right: number[]): number {\n  let total = ${a}\n  for (const [index, value] of left.entries()) {\n    total += value * (right[index] ?? ${b})\n  }\n  return total\n}\n`,
]

/** Tokens of a made-up answer before the request asks for more: like a short function. */
const LEAST_TOKENS = 40
const SPREAD_TOKENS = 160

const pick = <T>(random: Random, list: readonly [T, ...T[]] | readonly T[]): T => list[random(list.length)] as T

/** Plausible TypeScript of at least `minTokens` tokens: whole functions with a blank line between them. */
export function codeText(random: Random, minTokens: number): string {
  const wanted = Math.max(minTokens, LEAST_TOKENS + random(SPREAD_TOKENS))
  let text = ''
  for (let serial = 1; countTokens(text) < wanted; serial += 1) {
    const name = `${pick(random, VERBS)}${pick(random, NOUNS)}${serial === 1 ? '' : serial}`
    const body = pick(random, TEMPLATES)(name, 2 + random(8), 10 + random(90))
    text += text === '' ? body : `\n${body}`
  }
  return text
}

const THOUGHTS = [
  'We need to answer with code only.',
  'The edge case is an empty input.',
  'A single pass is enough here.',
  'Keep the signature as it was given.',
  'No external package is needed.',
  'The result must not alias the argument.',
]

/** Sentences of thinking: one for low, three for medium, eight for high effort. */
export function reasoningText(random: Random, effort: 'low' | 'medium' | 'high'): string {
  const sentences = { low: 1, medium: 3, high: 8 }[effort]
  return Array.from({ length: sentences }, () => pick(random, THOUGHTS)).join(' ')
}
