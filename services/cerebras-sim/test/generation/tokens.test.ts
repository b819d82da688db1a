import * as fc from 'fast-check'
import t from 'tap'
import { splitIntoPieces } from '../../src/completions/pieces.ts'
import { limitText } from '../../src/generation/limit-text.ts'
import { randomFromDigest } from '../../src/generation/random.ts'
import { countTokens, truncateToTokens } from '../../src/generation/tokens.ts'

const anyText = fc.string({ unit: 'grapheme', maxLength: 300 })

t.test('cutting a text to n tokens leaves n tokens or the whole text, and no half character', async (t) => {
  fc.assert(
    fc.property(anyText, fc.nat(120), (text, tokens) => {
      const cut = truncateToTokens(text, tokens)
      return text.startsWith(cut) && countTokens(cut) <= tokens && cut.isWellFormed() === text.isWellFormed()
    }),
  )
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), fc.integer({ min: 1, max: 120 }), (text, tokens) => {
      const ascii = text.replaceAll(/[^ -~]/g, 'x')
      return countTokens(truncateToTokens(ascii, tokens)) === Math.min(tokens, countTokens(ascii))
    }),
  )
  t.pass('no counterexample')
})

t.test(
  'the pieces of a stream are the text again, one to ten tokens each, none of them half a character',
  async (t) => {
    fc.assert(
      fc.property(anyText, fc.nat(), (text, seed) => {
        const pieces = splitIntoPieces(text, randomFromDigest(seed.toString(16)))
        const tokens = pieces.reduce((sum, piece) => sum + piece.tokens, 0)
        return (
          pieces.map((piece) => piece.text).join('') === text &&
          tokens === countTokens(text) &&
          pieces.every((piece) => piece.tokens >= 1 && piece.tokens <= 10 && piece.text.isWellFormed())
        )
      }),
    )
    t.pass('no counterexample')
  },
)

t.test('a stop sequence beyond the budget is not reached', async (t) => {
  const text = 'aaaaaaaaaaaaaaaaaaaaSTOPbbb'
  t.equal(limitText(text, ['STOP'], 100).finishReason, 'stop')
  t.equal(limitText(text, ['STOP'], 100).text, 'aaaaaaaaaaaaaaaaaaaa')
  t.equal(limitText(text, ['STOP'], 3).finishReason, 'length')
  t.equal(limitText(text, ['STOP', 'aa'], 3).text, '')
  t.equal(limitText(text, [''], 100).text, text, 'an empty sequence stops nothing')
})
