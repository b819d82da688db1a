import type { Message } from './messages.ts'

/**
 * API version 2 (default since 2026-07-21): every tool call of an assistant turn is answered by the
 * tool messages that follow it, a tool message answers such a call, ids are unique in the request.
 * The vendor documents the rules and not the texts.
 */
export function toolMessageProblems(messages: readonly Message[]): string[] {
  const problems: string[] = []
  const seen = new Set<string>()
  let pending = new Set<string>()

  const requireAnswered = (index: number) => {
    for (const id of pending) {
      problems.push(`messages.${index}: tool call '${id}' of the assistant is not followed by a tool message`)
    }
    pending = new Set()
  }

  for (const [index, message] of messages.entries()) {
    if (message.role === 'tool') {
      if (!pending.delete(message.tool_call_id)) {
        problems.push(`messages.${index}.tool.tool_call_id: no preceding tool call has id '${message.tool_call_id}'`)
      }
      continue
    }
    requireAnswered(index)
    if (message.role !== 'assistant') continue
    for (const { id } of message.tool_calls ?? []) {
      if (seen.has(id)) problems.push(`messages.${index}.assistant.tool_calls: id '${id}' is not unique`)
      seen.add(id)
      pending.add(id)
    }
  }
  requireAnswered(messages.length)
  return problems
}
