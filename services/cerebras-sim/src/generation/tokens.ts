/**
 * The simulator's tokens: 17 UTF-16 code units make 5 of them (3.4 a token, about what code costs
 * with the tokenisers of these models). A fixed ratio keeps stream and non-stream, usage, limits and
 * truncation in exact agreement; it undercounts scripts outside ASCII.
 */
const UNITS = 17
const TOKENS = 5

/** Tokens of a text of that many UTF-16 code units. */
export const tokensOfLength = (units: number): number => Math.ceil((units * TOKENS) / UNITS)

export const countTokens = (text: string): number => tokensOfLength(text.length)

/** How many UTF-16 code units the first `tokens` tokens of a text span. */
export const unitsOfTokens = (tokens: number): number => Math.floor((tokens * UNITS) / TOKENS)

/** `index`, moved back by one if it would cut a surrogate pair in two. */
export function wholeCharacter(text: string, index: number): number {
  if (index <= 0 || index >= text.length) return index
  const before = text.charCodeAt(index - 1)
  return before >= 0xd800 && before <= 0xdbff ? index - 1 : index
}

/** The first `tokens` tokens of a text. */
export function truncateToTokens(text: string, tokens: number): string {
  return text.slice(0, wholeCharacter(text, unitsOfTokens(tokens)))
}
