'use strict'
// What executions do as a rule, done once so that V8 has compiled it. Nothing of it has an effect.

/** @param begin the script's function; @param run runs a text as a program there */
function candidate(begin, run) {
  const host = () => undefined
  const program = begin(host, false)
  program('enter', 'main.js')
  program(
    'start',
    run('(function (exports, require, module) { console.log("text", 1, [1, "a"], { a: [null] }); console.error(1) })'),
  )
  const server = begin(host, true)
  server('enter', 'main.js')
  run('function rehearsed(value) { if (value === 0) throw new TypeError("no"); return value }')
  server('find', 'rehearsed')
  const answer = server('call', '["a","rehearsed",["a",["a",1,"a",["o","k",true,"n",null]]]]')
  const refusal = server('call', '["a","rehearsed",["a",0]]')
  if (answer[0] !== 'A' || refusal[0] !== 'E') throw new Error(`the rehearsal failed: ${answer} ${refusal}`)
}

function check(begin, run) {
  const answer = 'Av["a",1,["o","k",true]]'
  const init = { entryPoint: 'rehearsed', prelude: '', source: '' }
  const verdicts = []
  const host = (operation, text) => {
    if (operation === 'v') verdicts.push(text)
    return operation === 'q' ? answer : undefined
  }
  const program = begin(host, JSON.stringify(init))
  program(
    'judge',
    run(`(candidate) => (exports, require) => {
      const assert = require('assert')
      assert.deepStrictEqual(candidate(1, 'a', [1]), [1, { k: true }])
      assert.strictEqual(candidate(2)[0], 1)
      assert.equal(candidate(3).length, 2)
      assert(true)
      console.assert(true)
    }`),
  )
  program('end')
  if (verdicts.length !== 1) throw new Error(`the rehearsal gave ${verdicts.length} verdicts`)
}

module.exports = { rehearse: { candidate, check } }
