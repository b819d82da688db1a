import { parseEvent, splitEvents } from '@loopgate/cerebras'
import type { Surface } from '@loopgate/contracts'
import { isObject, object, objects, parseObject, type Json } from './json.ts'

/** Texts that are given whole in each chunk; every other text of a delta is a piece of one. */
const WHOLE_TEXTS = new Set(['role', 'id', 'type', 'name'])

/**
 * The document that a recorded stream amounts to: texts are joined, lists continued, anything else
 * replaced by its latest value. Members that nobody here has heard of are treated by the same rule.
 */
export function assemble(surface: Surface, stream: Buffer): Json {
  const reply = object()
  const choices = new Map<number, Json>()
  for (const event of splitEvents(stream)) {
    const chunk = parseObject(parseEvent(event)?.data ?? '')
    if (chunk === null) continue
    for (const [name, value] of Object.entries(chunk)) {
      if (name !== 'choices') setLatest(reply, name, value)
      else {
        reply['choices'] ??= []
        for (const choice of objects(value)) addChoice(choices, choice)
      }
    }
  }
  reply['choices'] = inOrder(choices)
  reply['object'] = surface === 'chat' ? 'chat.completion' : 'text_completion'
  return reply
}

function addChoice(choices: Map<number, Json>, part: Json): void {
  const index = typeof part['index'] === 'number' ? part['index'] : 0
  const choice = choices.get(index) ?? object()
  choices.set(index, choice)
  choice['index'] = index
  for (const [name, value] of Object.entries(part)) {
    if (name === 'index') continue
    if (name === 'delta') {
      const message = isObject(choice['message']) ? choice['message'] : object()
      choice['message'] = message
      if (isObject(value)) extend(message, value)
    } else if (name === 'text') append(choice, name, value)
    else if (isObject(value) || Array.isArray(value)) append(choice, name, value)
    else setLatest(choice, name, value)
  }
}

/** Adds the members of a delta to what there is. */
function extend(target: Json, delta: Json): void {
  for (const [name, value] of Object.entries(delta)) {
    if (name === 'tool_calls') addToolCalls(target, value)
    else if (typeof value === 'string' && WHOLE_TEXTS.has(name)) target[name] = value
    else append(target, name, value)
  }
}

function append(target: Json, name: string, value: unknown): void {
  const before = target[name]
  if (typeof value === 'string' && typeof before === 'string') target[name] = before + value
  else if (Array.isArray(value) && Array.isArray(before)) target[name] = [...before, ...(value as unknown[])]
  else if (isObject(value)) {
    const merged = isObject(before) ? before : object()
    target[name] = merged
    extend(merged, value)
  } else setLatest(target, name, value)
}

/** The calls of a message by the number that their fragments carry; a document does not have it. */
const numbered = new WeakMap<unknown[], Map<number, Json>>()

function addToolCalls(target: Json, value: unknown): void {
  if (!Array.isArray(value)) return setLatest(target, 'tool_calls', value)
  const calls: unknown[] = Array.isArray(target['tool_calls']) ? target['tool_calls'] : []
  target['tool_calls'] = calls
  const byNumber = numbered.get(calls) ?? new Map<number, Json>()
  numbered.set(calls, byNumber)
  for (const [position, { index, ...fragment }] of objects(value).entries()) {
    const number = typeof index === 'number' ? index : position
    let call = byNumber.get(number)
    if (call === undefined) {
      call = object()
      byNumber.set(number, call)
      calls.push(call)
    }
    extend(call, fragment)
  }
}

/** A null never hides what was said before. */
function setLatest(target: Json, name: string, value: unknown): void {
  if (value !== null || target[name] === undefined) target[name] = value
}

function inOrder(choices: Map<number, Json>): Json[] {
  return [...choices].sort(([a], [b]) => a - b).map(([, choice]) => choice)
}
