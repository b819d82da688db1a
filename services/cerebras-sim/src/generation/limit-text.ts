import { countTokens, truncateToTokens } from './tokens.ts'

export type Limited = { readonly text: string; readonly tokens: number; readonly finishReason: 'stop' | 'length' }

/** Ends a text at the first stop sequence, which is not part of it, or at the token budget, whichever comes first. */
export function limitText(text: string, stop: readonly string[], maxTokens: number): Limited {
  const stopped = untilStop(text, stop)
  const tokens = countTokens(stopped)
  if (tokens <= maxTokens) return { text: stopped, tokens, finishReason: 'stop' }
  return { text: truncateToTokens(stopped, maxTokens), tokens: maxTokens, finishReason: 'length' }
}

function untilStop(text: string, stop: readonly string[]): string {
  let end = text.length
  for (const sequence of stop) {
    const found = sequence === '' ? -1 : text.indexOf(sequence)
    if (found !== -1 && found < end) end = found
  }
  return text.slice(0, end)
}
