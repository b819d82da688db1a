import t from 'tap'
import { ERRORS, fault, LoopgateError } from '../src/index.ts'

t.test('a fault carries what the table says, and what the caller knows better', (t) => {
  const cause = new Error('socket hang up')
  const error = fault('LG_UPSTREAM_ERROR', { cause, retryAfterMs: 500, status: 503 })
  t.type(error, LoopgateError)
  t.match(error, { code: 'LG_UPSTREAM_ERROR', statusCode: 503, retryable: true, retryAfterMs: 500, param: null, cause })
  t.equal(fault('LG_NOT_FOUND').message, ERRORS.LG_NOT_FOUND.message)
  t.equal(fault('LG_FORBIDDEN', { openaiCode: null }).openaiCode, null)
  t.end()
})

t.test('every row has a fitting status: client errors are final, what is retryable is 429, 409, 408 or 5xx', (t) => {
  for (const [code, row] of Object.entries(ERRORS)) {
    t.match(code, /^LG_[A-Z_]+$/)
    if (row.retryable) t.ok(row.status === 429 || row.status >= 500, `${code} is retryable with ${row.status}`)
    if (row.status === 503 || row.status === 429)
      t.ok(row.retryable, `${code} has ${row.status} and can be tried again`)
  }
  t.end()
})
