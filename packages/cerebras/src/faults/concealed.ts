import type { Secret } from '@loopgate/service-kit'

/** Keys of all upstreams of this process: an error text may repeat any of them, wherever it is read. */
const concealed = new Set<Secret>()

/** From now on this key stands in no text that is passed on. */
export function conceal(secret: Secret): void {
  concealed.add(secret)
}

/** The text without keys: those that are known, and whatever looks like one of Cerebras. */
export function withoutKeys(text: string): string {
  let left = text.replace(/csk-[\w-]+/gi, REDACTED)
  for (const secret of concealed) left = left.replaceAll(secret.reveal(), REDACTED)
  return left
}

const REDACTED = '[redacted]'
