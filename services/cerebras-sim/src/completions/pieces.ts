import type { Random } from '../generation/random.ts'
import { countTokens, unitsOfTokens, wholeCharacter } from '../generation/tokens.ts'

/** A chunk of the real API carries one to ten tokens (recorded 2026). */
const MOST_TOKENS = 10

export type Piece = { readonly text: string; readonly tokens: number }

/** Cuts a text into the pieces that the chunks of a stream carry; together they are the text again. */
export function splitIntoPieces(text: string, random: Random): Piece[] {
  const total = countTokens(text)
  const pieces: Piece[] = []
  let start = 0
  for (let done = 0; done < total;) {
    const tokens = Math.min(total - done, 1 + random(MOST_TOKENS))
    done += tokens
    const end = done === total ? text.length : wholeCharacter(text, unitsOfTokens(done))
    pieces.push({ text: text.slice(start, end), tokens })
    start = end
  }
  return pieces
}
