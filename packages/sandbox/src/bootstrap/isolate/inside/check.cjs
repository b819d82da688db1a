'use strict'
// Runs inside an isolate of a process that no candidate enters: a check program, whose `candidate` is a
// proxy. The verdict goes to the process outside, which has the nonce; the first one stands there.
const defineConsole = require('./console.cjs')
const createAssert = require('./assert.cjs')
const createModules = require('./modules.cjs')
const { encode, decode, NotPlain } = require('../../javascript/codec.cjs')

const BUILT_IN = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, Error }
const EVIDENCE_CHARACTERS = 3500

module.exports = function begin(host, init) {
  const { entryPoint, source, prelude } = JSON.parse(init)
  const tools = defineConsole((stream, text) => host(stream, text.slice(0, 65_537)))
  const assert = createAssert(tools)
  const modules = createModules({ read: () => undefined, loadAssert: () => assert })
  const state = { calls: 0, answered: 0, last: null, isDecided: false, finished: false }

  const shorten = (text, limit) => (text.length <= limit ? text : `${text.slice(0, limit - 1)}…`)
  const show = (value, limit) => shorten(tools.show(value), limit)

  function decide(verdict, evidence) {
    if (state.isDecided) return
    state.isDecided = true
    const last = verdict === 'fail' ? state.last : null
    const call = last && `${entryPoint}(${last.args.map((arg) => show(arg, 600)).join(', ')}) ${last.result()}`
    const text = shorten(last === null ? evidence : `${evidence}\nlast call: ${call}`, EVIDENCE_CHARACTERS)
    host('v', JSON.stringify({ verdict, evidence: text }))
  }
  /** Decides, and unwinds the check program as far as it lets itself be unwound. */
  function conclude(verdict, evidence) {
    decide(verdict, evidence)
    throw new Error('the check is over')
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
    if (state.isDecided) throw new Error('the check is over')
    let question
    try {
      question = encode([entryPoint, args])
    } catch (error) {
      return conclude('error', `the check program: an argument of the call ${error.message}`)
    }
    state.calls += 1
    state.last = { args, result: () => 'gave no answer' }
    const reply = host('q', question)
    state.answered += 1
    const [isThrown, isPromised] = [reply[0] === 'E', reply[1] === 'p']
    let value
    try {
      value = decode(reply.slice(2))
      if (isThrown) value = exceptionOf(value)
    } catch (error) {
      const reason = error instanceof NotPlain ? error.message : 'malformed data'
      return conclude('fail', `returned a value that is not plain data: ${reason}`)
    }
    state.last = {
      args,
      result: () => (isThrown ? `threw ${shorten(String(value), 600)}` : `returned ${show(value, 800)}`),
    }
    if (isPromised) return isThrown ? Promise.reject(value) : Promise.resolve(value)
    if (isThrown) throw value
    return value
  }

  function place(stack) {
    const line = /<(check|prelude)>:(\d+)/.exec(stack ?? '')
    if (line === null) return ''
    const text = (line[1] === 'check' ? source : prelude).split('\n')[Number(line[2]) - 1] ?? ''
    return `\n<${line[1]}>, line ${line[2]}: ${shorten(text.trim(), 600)}`
  }
  function onError(error) {
    const isError = error instanceof Error
    const text = isError
      ? `${error.name}: ${shorten(error.message, 1000)}${place(error.stack)}`
      : `thrown: ${show(error, 600)}`
    // Before the first answer nothing of the candidate's can have caused it.
    decide(state.answered > 0 ? 'fail' : 'error', text)
  }

  // As Node ships it, it neither throws nor changes the exit status, so a test written with it proves nothing.
  console.assert = (holds, ...message) => {
    if (!holds) throw new assert.AssertionError({ message: message.map(String).join(' ') || 'console.assert failed' })
  }
  Object.defineProperty(candidate, 'name', { value: entryPoint })
  const { scope, module } = modules.newMain('check.js')
  Object.defineProperty(globalThis, 'require', {
    value: scope[1],
    writable: true,
    configurable: true,
    enumerable: false,
  })

  const offered = {
    /** Runs the check, given its body as a function of the names that it may declare anew. */
    async judge(body) {
      try {
        const check = body(candidate, candidate).call(module.exports, ...scope)
        if (check !== undefined && check !== candidate) await check(candidate)
      } catch (error) {
        onError(error)
      }
      state.finished = true
    },
    fault: (name, message, stack) => onError(Object.assign(new (BUILT_IN[name] ?? Error)(message), { stack })),
    /** Nothing is left to run. */
    end() {
      if (!state.finished)
        decide(state.answered > 0 ? 'fail' : 'error', 'the check awaits a promise that never settles')
      if (state.calls === 0) decide('error', 'the check program never called the candidate')
      decide('pass', '')
    },
  }
  return (name, ...args) => offered[name](...args)
}
