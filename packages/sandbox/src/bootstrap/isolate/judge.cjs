'use strict'
// A check program in its isolate. The record of the verdict is written here, outside: the isolate is never
// told the nonce, and the counts are of what passed this process.
const { readFrame, writeFrame, bytes } = require('../javascript/channel.cjs')

const MAX_EVIDENCE_CHARACTERS = 4000

function judge({ ivm, isolate, context, enter }, init) {
  const { nonce, candidateSha256, checkId, entryPoint, prelude, source } = init
  const counts = { calls: 0, answered: 0 }
  let isDecided = false
  const record = (verdict, evidence) => {
    if (isDecided) return
    isDecided = true
    const text = { nonce, candidateSha256, checkId, verdict, evidence: evidence.slice(0, MAX_EVIDENCE_CHARACTERS) }
    writeFrame('V', bytes(`${JSON.stringify({ ...text, ...counts })}\n`))
  }
  const host = new ivm.Callback((operation, text) => {
    if (operation === 'q') {
      counts.calls += 1
      writeFrame('Q', bytes(text))
      const { kind, payload } = readFrame()
      counts.answered += 1
      return kind + payload.toString('utf8')
    }
    if (operation === 'v') {
      const { verdict, evidence } = JSON.parse(text)
      record(verdict, evidence)
    } else writeFrame(operation === 'e' ? 'e' : 'o', bytes(String(text)))
    return undefined
  })
  const inside = enter.applySync(undefined, [host, JSON.stringify({ entryPoint, prelude, source })], {
    result: { reference: true },
  })
  const apply = (name, ...args) => inside.applySync(undefined, [name, ...args])
  let body
  try {
    if (prelude !== '') isolate.compileScriptSync(prelude, { filename: '<prelude>' }).runSync(context)
    const head = `(function (candidate, ${entryPoint}) { return function (exports, require, module, __filename, __dirname) {`
    const tail = "\n;return typeof check === 'function' ? check : undefined }})"
    const script = isolate.compileScriptSync(head + source + tail, { filename: '<check>', columnOffset: -head.length })
    body = script.runSync(context, { reference: true })
  } catch (error) {
    record('error', `the check program does not load: ${error.name}: ${error.message}`)
    return 1
  }
  try {
    apply('judge', body.derefInto())
  } catch (error) {
    // Thrown where nobody awaited it.
    if (isolate.isDisposed) return 1
    apply('fault', error.name ?? 'Error', error.message ?? String(error), error.stack ?? '')
  }
  apply('end')
  return 0
}

module.exports = { judge }
