'use strict'
// Runs a check program in a sandbox that the candidate never enters. `candidate` is a proxy: a call
// leaves as plain data and comes back as plain data. The verdict is one record on descriptor 4;
// without it there is none.
const vm = require('node:vm')
const { AssertionError } = require('node:assert')
const { createRequire } = require('node:module')
const { inspect } = require('node:util')
const { begin, readFrame, writeFrame, writeAll, bytes, leave } = require('./channel.cjs')
const { encode, decode, NotPlain } = require('./codec.cjs')

const RECORD = 4
const EVIDENCE_CHARACTERS = 3500
const BUILT_IN = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, Error }

const init = begin()
const state = { calls: 0, answered: 0, last: null, verdict: null, evidence: '', finished: false }

const shorten = (text, limit) => (text.length <= limit ? text : `${text.slice(0, limit - 1)}…`)
const show = (value, limit) =>
  shorten(inspect(value, { breakLength: Infinity, maxArrayLength: 50, maxStringLength: 500 }), limit)

/** The first verdict stands: what is thrown later cannot turn a fail into something else. */
function decide(verdict, evidence) {
  if (state.verdict !== null) return
  state.verdict = verdict
  const last = verdict === 'fail' ? state.last : null
  state.evidence = shorten(
    last === null
      ? evidence
      : `${evidence}\nlast call: ${init.entryPoint}(${last.args.map((arg) => show(arg, 600)).join(', ')}) ${last.result()}`,
    EVIDENCE_CHARACTERS,
  )
}

function record() {
  const { calls, answered, verdict, evidence } = state
  const { nonce, candidateSha256, checkId } = init
  writeAll(
    RECORD,
    bytes(`${JSON.stringify({ nonce, candidateSha256, checkId, verdict, evidence, calls, answered })}\n`),
  )
  leave(0)
}

/** Ends the check at once, past any handler of the check program. */
function conclude(verdict, evidence) {
  decide(verdict, evidence)
  record()
}

function exceptionOf(value) {
  if (Object.hasOwn(value, 'thrown')) return value.thrown
  const { names, name, message } = value
  const nearest = names.find((each) => Object.hasOwn(BUILT_IN, each)) ?? 'Error'
  const error = new BUILT_IN[nearest](message)
  if (name !== error.name) Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  return error
}

function candidate(...args) {
  let question
  try {
    question = encode([init.entryPoint, args])
  } catch (error) {
    return conclude('error', `the check program: an argument of the call ${error.message}`)
  }
  state.calls += 1
  state.last = { args, result: () => 'gave no answer' }
  writeFrame('Q', bytes(question))
  const { kind, payload } = readFrame()
  state.answered += 1
  const promised = payload[0] === 'p'.charCodeAt(0)
  let value
  let thrown = false
  try {
    value = decode(payload.toString('utf8', 1))
    if (kind === 'E') {
      value = exceptionOf(value)
      thrown = true
    }
  } catch (error) {
    const reason = error instanceof NotPlain ? error.message : 'malformed data'
    return conclude('fail', `returned a value that is not plain data: ${reason}`)
  }
  state.last = {
    args,
    result: () => `${thrown ? 'threw' : 'returned'} ${thrown ? shorten(String(value), 600) : show(value, 800)}`,
  }
  if (promised) return thrown ? Promise.reject(value) : Promise.resolve(value)
  if (thrown) throw value
  return value
}

function place(error) {
  const line = /<(check|prelude)>:(\d+)/.exec(error.stack ?? '')
  if (line === null) return ''
  const text = (line[1] === 'check' ? init.source : init.prelude).split('\n')[Number(line[2]) - 1] ?? ''
  return `\n<${line[1]}>, line ${line[2]}: ${shorten(text.trim(), 600)}`
}

function onError(error) {
  const text =
    error instanceof Error
      ? `${error.name}: ${shorten(error.message, 1000)}${place(error)}`
      : `thrown: ${show(error, 600)}`
  // Before the first answer nothing of the candidate's can have caused it.
  decide(state.answered > 0 ? 'fail' : 'error', text)
}

function bind(name, value) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false })
}

async function judge() {
  // As shipped it neither throws nor changes the exit status, so a test written with it proves nothing.
  console.assert = (condition, ...message) => {
    if (!condition) {
      throw new AssertionError({
        message: message.map(String).join(' ') || 'console.assert failed',
        stackStartFn: console.assert,
      })
    }
  }
  const path = '/tmp/work/check.js'
  const require = createRequire(path)
  const module = { exports: {} }
  Object.defineProperty(candidate, 'name', { value: init.entryPoint })
  const importModuleDynamically = vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
  bind('require', require)
  let run
  try {
    new vm.Script(init.prelude, { filename: '<prelude>', importModuleDynamically }).runInThisContext()
    // The names stand in an enclosing scope, so that the check may declare them anew.
    run = vm.compileFunction(
      `${init.source}\n;return typeof check === 'function' ? check : undefined`,
      ['exports', 'require', 'module', '__filename', '__dirname'],
      {
        filename: '<check>',
        contextExtensions: [{ candidate, [init.entryPoint]: candidate }],
        importModuleDynamically,
      },
    )
  } catch (error) {
    return decide('error', `the check program does not load: ${String(error)}`)
  }
  try {
    const check = run.call(module.exports, module.exports, require, module, path, '/tmp/work')
    if (check !== undefined && check !== candidate) await check(candidate)
  } catch (error) {
    onError(error)
  }
  state.finished = true
}

process.on('uncaughtException', (error) => {
  onError(error)
  record()
})
process.on('exit', () => conclude('error', 'the check program exited; it has to return or throw'))
// Only when nothing is left to run has an asynchronous check ended.
process.on('beforeExit', () => {
  if (!state.finished) decide(state.answered > 0 ? 'fail' : 'error', 'the check awaits a promise that never settles')
  if (state.calls === 0) decide('error', 'the check program never called the candidate')
  decide('pass', '')
  record()
})
writeFrame('S')
void judge()
